#!/bin/sh
# sh run.sh <gateway> <token>
exec ./tour "$@"
