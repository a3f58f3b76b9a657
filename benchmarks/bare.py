"""What the gateway is compared with: a paho loop that counts messages and stores nothing.

`python -m benchmarks.bare <port> <prefix> <report at ...>`: prints a line of JSON once subscribed, and
one each time that the number of messages reaches one of the given figures. Ends with its input.
"""

import os
import sys
import threading
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    """Count until standard input ends."""
    port, prefix = int(sys.argv[1]), sys.argv[2]
    marks = {int(mark) for mark in sys.argv[3:]}
    count = 0

    def on_connect(client: paho.Client, *_: Any) -> None:
        client.subscribe(f"{prefix}/#", qos=1)

    def on_subscribe(*_: Any) -> None:
        say('{"up": true}')

    def on_message(*_: Any) -> None:
        nonlocal count
        count += 1
        if count in marks:
            say(f'{{"count": {count}, "at": {time.monotonic()}}}')

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bare-paho", clean_session=False)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect("127.0.0.1", port)
    threading.Thread(target=_end_with_input, daemon=True).start()
    client.loop_forever()


def say(line: str) -> None:
    """One line to whoever measures."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
