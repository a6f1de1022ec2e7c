#!/bin/sh
# The login and the history are removed by a purge alone.
set -e
if [ "$1" = purge ]; then
  rm -rf /var/lib/volvobridge /var/lib/private/volvobridge
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
