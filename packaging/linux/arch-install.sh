#!/bin/sh
# Arch calls this after the first installation.
echo "volvobridge: start it with: systemctl enable --now volvobridge"
echo "volvobridge: then open http://127.0.0.1:8099/ on this machine, which leads through the set-up"
