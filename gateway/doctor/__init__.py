"""Looks, step by step, at what the gateway depends on, and says of each step how it is and what to mend.

`gateway.doctor.exchange.examine` goes all the way to Exchange; `gateway.doctor.finding` is what it finds.
A doctor changes nothing: neither the configuration, nor the ledger, nor anything in Exchange.
"""
