#!/bin/sh
# An app with nothing to do but to be there, to be looked into, and to end when told to.
trap 'exit 0' TERM INT
while :; do
    sleep 86400 &
    wait $!
done
