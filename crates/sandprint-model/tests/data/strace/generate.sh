#!/bin/sh
# Records the logs of this directory anew: sh generate.sh. Needs strace 6.1 or newer and gcc with -m32.
# Times, addresses and process ids differ from run to run; calls and counts differ with the C library. The
# tests compare each log with the table that strace itself wrote at its end (-C), so new logs need no new
# numbers there; those that the tests name one by one must be looked at again.
set -eu
cd "$(dirname "$0")"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -O1 -static -pthread -o "$work/threads" programs/threads.c
gcc -O1 -static -o "$work/numbers" programs/numbers.c
gcc -O1 -static -o "$work/details" programs/details.c
gcc -O1 -static -m32 -o "$work/numbers32" programs/numbers.c
cd "$work"
mkdir empty
# A clean and small environment: fewer look-ups, and nothing of the machine in the logs.
clean() { env -i PATH=/usr/bin:/bin "$@" </dev/null; }
exec >/dev/null

clean strace -C -f -o "$here/pipe.log" sh -c 'ls empty | cat; (exit 3); true'
clean strace -C -f -o "$here/threads.log" ./threads
clean strace -C -f -o "$here/numbers.log" ./numbers
clean strace -C -f -n -o "$here/numbers-n.log" ./numbers
clean strace -C -f -o "$here/i386.log" sh -c './numbers32; true'
clean strace -C -f -n -o "$here/i386-n.log" sh -c './numbers32; true'
# Without -o: strace names threads only while there are several, and announces ABIs.
clean strace -C -f -tt sh -c './numbers32; ./numbers; echo done >&2' 2>"$here/stderr.log"
(cd / && clean strace -f -ttt -Y -i -y -o "$here/decorated.log" sh -c 'cat; sleep 0.01' 2>/dev/null)
clean strace -r -k ./numbers 2>"$here/relative.log"
clean strace -f -tt -o "$here/killed.log" sh -c 'kill -9 $$' || true
clean strace -f -o "$here/namespace.log" unshare --fork --pid --user --map-root-user sh -c '/bin/true; true'
clean strace -o "$here/not-followed.log" sh -c '/bin/true; true'
clean strace -f -e trace=execve,openat -o "$here/filtered.log" ./numbers
# Attached to a process that runs, and detached while it runs on.
(sleep 0.3; exec sleep 1) &
(timeout -s INT 0.2 strace -f -p $! 2>"$here/attached.log") || true
wait
# Ended in the middle.
timeout -s KILL 0.3 strace -f -o "$here/cut.log" sleep 2 || true
timeout 1 strace -c -o "$here/summary.log" ./numbers

# The same program in every style that has arguments, where its paths are the same each time.
mkdir /tmp/details
cp details /tmp/details
cd /tmp/details
details() { log=$1; shift; clean strace -f "$@" -o "$here/$log.log" ./details; }
details details
details details-raw -X raw
details details-y -y -T -tt
details details-yy -yy
details details-verbose -X verbose -y
details details-hex -v -xx -y
details details-e-raw -e raw=all
details details-e-network -e trace=network,process
cd /
rm -r /tmp/details
