// What a Node shop writes without a library: fetch, in the three ways that people send a form.
// Usage: node plain.mjs URL KEY SERVICE
const [url, key, service] = process.argv.slice(2);

const form = async (fields) => (await fetch(url, { method: "POST", body: new URLSearchParams({ key, ...fields }) })).json();
const multipart = async (fields) => {
  const body = new FormData();
  for (const [name, value] of Object.entries({ key, ...fields })) body.append(name, value);
  return (await fetch(url, { method: "POST", body })).json();
};
const json = async (fields) =>
  (await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key, ...fields }) })).json();
// A stream has no length, so it goes out in chunks.
const chunked = async (fields) => {
  const text = new URLSearchParams({ key, ...fields }).toString();
  const body = new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode(text)); c.close(); } });
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return (await fetch(url, { method: "POST", headers, body, duplex: "half" })).json();
};
const query = async (fields) => (await fetch(`${url}?${new URLSearchParams({ key, ...fields })}`)).json();

const listed = (await form({ action: "services" })).find((row) => row.service === Number(service));
const order = { action: "add", service, link: "https://example.org/a?b=1&c=2", quantity: 100, runs: undefined };
const ids = [];
for (const send of [form, multipart, json, chunked, query]) ids.push((await send(order)).order);
const orders = [ids[0], 424242];
console.log(JSON.stringify({
  rate: listed.rate,
  refillable: listed.refill,
  orders: ids,
  poor: (await json({ ...order, quantity: 1000000 })).error,
  status: (await form({ action: "status", order: ids[0] })).status,
  statuses: await json({ action: "status", orders }),
  cancel: await form({ action: "cancel", orders }),
  balance: (await query({ action: "balance" })).balance,
}));
