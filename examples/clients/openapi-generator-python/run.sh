#!/bin/sh
# sh run.sh <gateway> <token>
PYTHONPATH=client:packages exec python3 tour.py "$@"
