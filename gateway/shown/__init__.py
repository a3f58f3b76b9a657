"""What the commands show to people: calm text that reads as well without colour and on 80 columns.

Each module takes plain values and paints them on a rich console; none reads a ledger or a socket.
"""
