#!/bin/sh
# Generates the client of REST and builds the program: sh build.sh <openapi.yaml>
set -eu
mkdir -p peergate
go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 \
  -generate types,client -package peergate -o peergate/client.gen.go "$1"
go build -o ./bin/ ./...
