"""The staff pages of orders: the review queue, the decision desk, orders of all customers."""
