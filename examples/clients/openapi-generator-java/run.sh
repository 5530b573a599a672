#!/bin/sh
# sh run.sh <gateway> <token>
exec java -cp 'classes:client/target/classes:client/lib/*' Tour "$@"
