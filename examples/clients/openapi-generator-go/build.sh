#!/bin/sh
# Generates the client and builds the program: sh build.sh <openapi.yaml>. Needs Java and the packages of ../requirements.txt.
set -eu
openapi-generator-cli generate --input-spec "$1" --generator-name go --output peergate --package-name peergate \
  --additional-properties withGoMod=false --global-property apiTests=false,modelTests=false,apiDocs=false,modelDocs=false
go build -o tour .
