# Runs a command where nothing but the servers beside this file can be reached: in namespaces that it was started in.
set -e
folder=$1
shift
ip link set lo up
printf 'nameserver 127.0.0.53\noptions timeout:5 attempts:1\n' >"$folder/resolv.conf"
printf '127.0.0.1 localhost\n127.0.0.1 near.test Alias.test # not this\n192.0.2.99 unused.test\n' >"$folder/hosts"
printf 'hosts: files dns\n' >"$folder/nsswitch.conf"
for file in resolv.conf hosts nsswitch.conf; do
	mount --bind "$folder/$file" "/etc/$file"
done
mkfifo "$folder/in" "$folder/out"
sleep 600 >"$folder/in" &
open=$!
python3 "$folder/server.py" <"$folder/in" >"$folder/out" &
read -r ready <"$folder/out"
status=0
"$@" || status=$?
kill "$open"
exit "$status"
