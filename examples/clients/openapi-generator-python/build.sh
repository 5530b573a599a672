#!/bin/sh
# Generates the client and installs what it needs: sh build.sh <openapi.yaml>. Needs Java and the packages of ../requirements.txt.
set -eu
openapi-generator-cli generate --input-spec "$1" --generator-name python --output client --package-name peergate_client \
  --global-property apiTests=false,modelTests=false,apiDocs=false,modelDocs=false
python3 -m pip install --quiet --disable-pip-version-check --target packages --requirement client/requirements.txt
