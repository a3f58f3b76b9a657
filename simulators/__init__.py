"""A simulated office for tests and demonstrations. The gateway never imports it."""
