#!/bin/sh
# Makes what the mesh of compose.yaml needs in ./secrets, once: a root key, a mesh key, root credentials, passwords, and a CA with
# certificates for NATS and PostgreSQL. Needs openssl. Nothing that is there is written over.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets && cd secrets
new() { [ -e "$1" ] || { shift; "$@"; }; }
random() { new "$1" sh -c "openssl rand -base64 32 >'$1'"; }
# A letter first: NATS reads its passwords as configuration, where 1e5... is a number that is not one.
password() { new "$1" sh -c "echo p$(openssl rand -hex 24) >'$1'"; }
random root.key
random mesh.key
for role in gateway metadata kms crypto iam rotation events operator; do password "nats-$role.password"; done
password postgres.password
password redis.password
new root-credentials.env sh -c 'printf "COFFER_ROOT_ACCESS_KEY_ID=ROOT%s\nCOFFER_ROOT_SECRET_ACCESS_KEY=%s\n" \
  "$(openssl rand -hex 8)" "$(openssl rand -hex 20)" >root-credentials.env'
new nats-passwords.env sh -c 'for role in gateway metadata kms crypto iam rotation events operator; do
  printf "NATS_PASSWORD_%s=%s\n" "$(echo "$role" | tr a-z A-Z)" "$(cat "nats-$role.password")"; done >nats-passwords.env'
new ca.key openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj '/CN=coffer compose CA' \
  -keyout ca.key -out ca.crt
certificate() {
  [ -e "$1.crt" ] || {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    printf 'subjectAltName=%s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -extfile "$1.ext" -out "$1.crt"
    rm "$1.csr" "$1.ext"
  }
}
certificate nats 'DNS:nats,DNS:nats-0.nats,DNS:nats-1.nats,DNS:nats-2.nats'
certificate postgres 'DNS:postgres'
certificate redis 'DNS:redis'
# Containers run as other users than this one.
chmod 0755 . && chmod 0644 ./*
echo "made in $PWD; keep root.key elsewhere too: without it nothing can be read"
