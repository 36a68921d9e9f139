<?php
// The shape of client that thousands of shops copied: one class, curl, fields joined by hand, objects back.
// Written for this test after that pattern. Usage: php classic.php URL KEY SERVICE
class Api
{
    public $api_url;
    public $api_key;

    public function order($data)
    {
        return json_decode($this->connect(array_merge(array('key' => $this->api_key, 'action' => 'add'), $data)));
    }

    public function status($order_id)
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'status', 'order' => $order_id)));
    }

    public function multiStatus($order_ids)
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'status', 'orders' => implode(",", (array) $order_ids))));
    }

    public function services()
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'services')));
    }

    public function refill($order_id)
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'refill', 'order' => $order_id)));
    }

    public function multiRefill($order_ids)
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'refill', 'orders' => implode(",", $order_ids))), true);
    }

    public function refillStatus($refill_id)
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'refill_status', 'refill' => $refill_id)));
    }

    public function multiRefillStatus($refill_ids)
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'refill_status', 'refills' => implode(",", $refill_ids))), true);
    }

    public function cancel($order_ids)
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'cancel', 'orders' => implode(",", $order_ids))), true);
    }

    public function balance()
    {
        return json_decode($this->connect(array('key' => $this->api_key, 'action' => 'balance')));
    }

    private function connect($post)
    {
        $fields = array();
        foreach ($post as $name => $value) {
            $fields[] = $name . '=' . urlencode((string) $value);
        }
        $ch = curl_init($this->api_url);
        curl_setopt($ch, CURLOPT_RETURNTRANSFER, 1);
        curl_setopt($ch, CURLOPT_POST, 1);
        curl_setopt($ch, CURLOPT_HEADER, 0);
        curl_setopt($ch, CURLOPT_FOLLOWLOCATION, 1);
        curl_setopt($ch, CURLOPT_POSTFIELDS, join('&', $fields));
        curl_setopt($ch, CURLOPT_USERAGENT, 'Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.0)');
        $result = curl_exec($ch);
        if (curl_errno($ch) != 0 && empty($result)) {
            $result = false;
        }
        curl_close($ch);
        return $result;
    }
}

$api = new Api();
$api->api_url = $argv[1];
$api->api_key = $argv[2];
$service = (int) $argv[3];

$listed = null;
foreach ($api->services() as $row) {
    if ($row->service === $service) {
        $listed = $row;
    }
}
$plain = $api->order(array('service' => $service, 'link' => 'https://example.org/a?b=1&c=2', 'quantity' => 100));
$dripped = $api->order(array('service' => $service, 'link' => 'second', 'quantity' => 100, 'runs' => 2, 'interval' => 5));
$poor = $api->order(array('service' => $service, 'link' => 'third', 'quantity' => 1000000));
$ids = array($plain->order, $dripped->order, 424242);

echo json_encode(array(
    'rate' => $listed->rate,
    'refillable' => $listed->refill,
    'order' => $plain->order,
    'second' => $dripped->order,
    'poor' => $poor->error,
    'status' => $api->status($plain->order)->status,
    'remains' => array_map(function ($one) { return isset($one->error) ? $one->error : $one->remains; }, (array) $api->multiStatus($ids)),
    'refill' => $api->refill($plain->order)->error,
    'refills' => $api->multiRefill($ids)[2]['refill']['error'],
    'refill_status' => $api->refillStatus(7)->error,
    'refill_statuses' => $api->multiRefillStatus(array(7))[0]['status']['error'],
    'cancel' => $api->cancel($ids),
    'balance' => $api->balance()->balance,
)) . "\n";
