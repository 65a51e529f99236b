#!/bin/sh
# Lays out the files of an image: a program, and what it needs of the system it was built on.
# usage: layout.sh PROGRAM FOLDER
set -eu
program=$1
folder=$2
mkdir -p "$folder/etc/ssl/certs" "$folder/tmp"
cp "$program" "$folder/"

# Each library under the very path that it was found by, the loader among them. A program without any is linked statically.
libraries=$(ldd "$program" | grep -o '/[^ ]*' | sort -u) || libraries=
# The C library loads these by name when it looks up hosts.
for name in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
    found=$(ldconfig -p | grep -o "/[^ ]*/$name\$" | head -n 1) || found=
    libraries="$libraries $found"
done
# Which package of Debian's each is of stands where scanners look for it.
status="$folder/var/lib/dpkg/status.d"
mkdir -p "$status"
dpkg-query --status ca-certificates >"$status/ca-certificates"
for library in $libraries; do
    mkdir -p "$folder$(dirname "$library")"
    cp -L "$library" "$folder$library"
    file=$(readlink -f "$library")
    # By the end of its path, as /lib has become a link to /usr/lib.
    owner=$(dpkg-query --search "*/$(basename "$(dirname "$file")")/$(basename "$file")" | head -n 1)
    owner=${owner%%:*}
    dpkg-query --status "$owner" >"$status/$owner"
done
cp -L /etc/os-release "$folder/etc/os-release"

cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
echo 'hosts: files dns' >"$folder/etc/nsswitch.conf"
echo 'myevents:x:65532:65532::/data:/none' >"$folder/etc/passwd"
echo 'myevents:x:65532:' >"$folder/etc/group"
chmod 1777 "$folder/tmp"
