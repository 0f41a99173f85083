#!/bin/sh
# Makes what compose.yaml and single.yaml need in ./secrets: a root key, a mesh key, root credentials, passwords, and a CA with certificates for the
# gateways, NATS, PostgreSQL, Redis and the object store, which has a root key and root credentials of its own. Needs openssl. Nothing that is there is written over but nats-users.conf, which follows
# ../kubernetes/users.conf: run this again after an upgrade.
#
#   infra/compose/make-secrets.sh                                         # clients on this machine
#   infra/compose/make-secrets.sh DNS:s3.example.org,IP:192.0.2.7         # and under these names (once; to change them, remove gateway/)
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets/gateway/CAs secrets/object-store/certs/CAs && cd secrets
# Also where it was there, before anything is in it: the files are readable to whoever gets past it.
chmod 0700 .
new() { [ -e "$1" ] || { shift; "$@"; }; }
random() { new "$1" sh -c "openssl rand -base64 32 >'$1'"; }
# A letter first: NATS reads its passwords as configuration, where 1e5... is a number that is not one.
# Made in the shell itself, as everybody on this machine sees the arguments of a program.
password() { [ -e "$1" ] || echo "p$(openssl rand -hex 24)" >"$1"; }
random root.key
random mesh.key
random object-store/root.key
roles='gateway metadata kms crypto iam rotation events operator'
for role in $roles; do password "nats-$role.password"; done
password postgres.password
password postgres-admin.password
password redis.password
credentials() {
  # shellcheck disable=SC2016
  new "$1" sh -c 'printf "COFFER_ROOT_ACCESS_KEY_ID=ROOT%s\nCOFFER_ROOT_SECRET_ACCESS_KEY=%s\n" \
    "$(openssl rand -hex 8 | tr a-f A-F)" "$(openssl rand -hex 20)" >"$0"' "$1"
}
credentials root-credentials
credentials object-store/root-credentials
new redis.conf sh -c 'printf "requirepass %s\n" "$(cat redis.password)" >redis.conf'
# NATS takes passwords from its configuration or its environment; `docker inspect` shows the latter.
cp ../../kubernetes/users.conf nats-users.conf
for role in $roles; do
  printf 's/\\$NATS_PASSWORD_%s,/"%s",/\n' "$(echo "$role" | tr a-z A-Z)" "$(cat "nats-$role.password")"
done | sed -f /dev/stdin nats-users.conf >nats-users.new
mv nats-users.new nats-users.conf
new ca.key openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj '/CN=coffer compose CA' \
  -keyout ca.key -out ca.crt
certificate() {
  [ -e "$2" ] || {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$3" -out new.csr
    printf 'subjectAltName=%s\n' "$4" >new.ext
    openssl x509 -req -in new.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -extfile new.ext -out "$2"
    rm new.csr new.ext
  }
}
certificate nats nats.crt nats.key 'DNS:nats,DNS:nats-0.nats,DNS:nats-1.nats,DNS:nats-2.nats'
certificate postgres postgres.crt postgres.key 'DNS:postgres'
certificate redis redis.crt redis.key 'DNS:redis'
certificate object-store object-store/certs/public.crt object-store/certs/private.key 'DNS:object-store'
certificate coffer gateway/public.crt gateway/private.key \
  "DNS:localhost,DNS:gateway-1,DNS:gateway-2,IP:127.0.0.1${1:+,$1}"
cp ca.crt gateway/CAs/ca.crt
cp ca.crt object-store/certs/CAs/ca.crt
# Containers run as other users than this one, and each is shown single files: the folder is closed to everybody else on this machine.
chmod 0644 ./*.* root-credentials gateway/*.* gateway/CAs/* object-store/root* object-store/certs/*.* object-store/certs/CAs/*
chmod 0600 ca.key
chmod 0755 gateway gateway/CAs object-store object-store/certs object-store/certs/CAs
# The most precious ones are for Coffer's user alone, where this one may give files away.
ours='root.key root-credentials gateway/private.key
  object-store/root.key object-store/root-credentials object-store/certs/private.key'
# shellcheck disable=SC2086
if [ "$(id -u)" = 0 ]; then chown 65532 $ours && chmod 0400 $ours; fi
echo "made in $PWD; keep root.key and object-store/root.key elsewhere too: without them nothing can be read"
