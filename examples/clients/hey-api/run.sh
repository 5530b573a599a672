#!/bin/sh
# sh run.sh <gateway> <token>
exec node tour.ts "$@"
