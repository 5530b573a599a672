#!/bin/sh
# sh run.sh <gateway> <token>
exec python3 tour.py "$@"
