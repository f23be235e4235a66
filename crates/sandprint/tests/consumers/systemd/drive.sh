# Runs as a service of the booted systemd. For each unit that /kinds names: records it, makes a drop-in of the trace, and
# says in /left/table how start, reload, restart and stop went under it.
#
# A row of /kinds: the unit; the unit that the drop-in is for; whether it reloads (yes, no); what is done with it once it
# has started: `-`, the path of a socket that it is to answer on, `exec COMMAND`, which is to succeed, or `kill`, after which
# it is to run anew.
export PATH=/usr/bin:/usr/sbin

# Waits until the command succeeds, for at most a minute.
until_() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || { echo "never: $*" >&2; return 1; }
        /busybox sleep 0.05
    done
}

# Whether a unit has got where a start gets it. One that runs to its end says in a file that it did.
has_started() {
    case $(systemctl show -P ActiveState "$1") in
    active) ;;
    inactive) [ -e "/left/$1.ran" ] ;;
    *) return 1 ;;
    esac
}

has_no_instances() { [ -z "$(systemctl list-units --plain --no-legend --state=active "${1%.socket}@*.service")" ]; }

runs_anew() {
    pid=$(systemctl show -P MainPID "$1")
    has_started "$1" && [ "$pid" != 0 ] && [ "$pid" != "$2" ]
}

# Does with a unit what is to be done once it has started.
use() {
    case $2 in
    -) ;;
    exec\ *) until_ sh -c "$2" ;;
    kill)
        before=$(systemctl show -P MainPID "$1")
        systemctl kill --kill-who=main "$1" && until_ runs_anew "$1" "$before"
        ;;
    # What serves a single connection is to have ended too.
    *) until_ /service poke "$2" && until_ has_no_instances "$1" ;;
    esac
}

# Whether a verb does with a unit what it should: unit, the unit of the drop-in, use, verb.
try() {
    rm -rf "/left/$1.ran"
    # An active service keeps its socket from being started: it is restarted, and the socket stays.
    case "$4 $2" in
    "restart "*@.service) systemctl restart "$1" ;;
    "restart "*) systemctl restart "$2" ;;
    *) systemctl "$4" "$1" ;;
    esac || return 1
    [ "$4" = stop ] || { until_ has_started "$1" && use "$1" "$3"; } || return 1
    for unit in "$1" "$2"; do
        case $unit in
        *@.service) [ -z "$(systemctl list-units --plain --no-legend --failed "${unit%.service}*.service")" ] || return 1 ;;
        *) [ "$(systemctl show -P Result "$unit")" = success ] || return 1 ;;
        esac
    done
}

yes_or_no() { if "$@" >&2; then echo yes; else echo no; fi; }

row() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>/left/table; }

while read -r unit confined reloads used; do
    exec 2>"/left/$unit.log"
    reload=
    [ "$reloads" = no ] || reload=--reload
    rm -rf "/left/$unit.ran"
    # shellcheck disable=SC2086 # an option or none
    /sandprint profile run --unit "$unit" $reload --stop -o "/left/$unit.json" >&2 </dev/null &
    recorder=$!
    until_ has_started "$unit" && use "$unit" "$used"
    kill -INT $recorder
    wait $recorder || { row "$unit" "not recorded" - - -; continue; }
    /sandprint profile generate "/left/$unit.json" -f systemd --default-action kill \
        >"/left/$unit.conf" || { row "$unit" "no profile" - - -; continue; }
    mkdir -p "/etc/systemd/system/$confined.d"
    cp "/left/$unit.conf" "/etc/systemd/system/$confined.d/50-sandprint.conf"
    systemctl daemon-reload
    started=$(yes_or_no try "$unit" "$confined" "$used" start)
    reloaded=-
    [ "$reloads" = no ] || reloaded=$(yes_or_no try "$unit" "$confined" "$used" reload)
    restarted=$(yes_or_no try "$unit" "$confined" "$used" restart)
    row "$unit" "$started" "$reloaded" "$restarted" "$(yes_or_no try "$unit" "$confined" "$used" stop)"
done </kinds
