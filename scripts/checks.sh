# shellcheck shell=bash
# What scripts/test and scripts/check-all share; sourced. Checks are counted, their output is kept in $logs and its end shown where one
# fails; in the end nothing may be left: no mounts, no processes, no temporary files.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

passed=0 failed=0 skipped=0
log_of_last=/dev/null
run_with=() # what stands before every command
builds=$(build_dir test)
logs=$builds/logs
work=$(mktemp -d "${TMPDIR:-/tmp}/kevfs-tests.XXXXXX") || exit 1
chmod 755 "$work"
mkdir -p "$logs" "$work/tmp"
chmod 1777 "$work/tmp"
# Everything that a check starts inherits the mark, and is known by it in the end.
export KEVFS_TESTS=$work TMPDIR=$work/tmp PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:${UBSAN_OPTIONS:-}
export KEVFS_CLUSTER=${KEVFS_CLUSTER:-$cache/cluster}
export KEVFS_GO=$root/scripts/go
cd "$root" || exit 1

marked() { # the ids of the processes that were started here and are still there
	local environ
	for environ in /proc/[0-9]*/environ; do
		if grep -qsz "^KEVFS_TESTS=$work\$" "$environ"; then
			environ=${environ#/proc/}
			# A zombie is only waiting for its parent.
			grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/${environ%/environ}/status" && echo "${environ%/environ}"
		fi
	done
}

own_mounts() { awk -v under="$work/" 'index($2, under) == 1 { print $2 }' /proc/self/mounts | tac; }

# What is left of the checks, a line each.
leftovers() {
	local id
	for id in $(marked); do echo "process $id: $(tr '\0' ' ' 2>/dev/null <"/proc/$id/cmdline")"; done
	own_mounts | sed 's/^/mount: /'
	find "$work/tmp" -xdev -mindepth 1 -printf 'file: %p\n' | head -n 50
}

clean_up() {
	local id mount
	# Mounts first: whoever hangs in one hears of it then.
	while read -r mount; do umount -l "$mount" 2>/dev/null || fusermount3 -uz "$mount" 2>/dev/null; done < <(own_mounts)
	for id in $(marked); do kill "$id" 2>/dev/null; done
	for _ in $(seq 50); do
		[ -n "$(marked)" ] || break
		sleep .1
	done
	for id in $(marked); do kill -9 "$id" 2>/dev/null; done
	rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

section() { printf '\n== %s\n' "$1"; }

# In the background, since bash would serve no signal until a foreground command is over; as a job, since other background
# commands ignore Ctrl-C, and hand that down. LOG gets all it says.
run_logged() { # log seconds command...
	local log=$1 seconds=$2 id
	shift 2
	set -m
	timeout -k 60 "$seconds" "${run_with[@]}" "$@" >"$log" 2>&1 </dev/null &
	id=$!
	set +m
	wait $id
}

count() { # passed failed skipped
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

show_end() { # log
	tail -n "${KEVFS_TAIL:-40}" "$1" | sed 's/^/    /'
	say "    (all of it: $1)"
}

# One check is one command: 0 passes, 77 skips (its last line says why), all else fails.
check() { # name seconds command...
	local name=$1 seconds=$2 log start=$SECONDS status
	shift 2
	log=$logs/${name//[^A-Za-z0-9._+-]/-}.log
	# shellcheck disable=SC2034 # for who sources this
	log_of_last=$log
	run_logged "$log" "$seconds" "$@"
	status=$?
	case $status in
	0) count 1 0 0 && say "passed   $name ($((SECONDS - start)) s)" ;;
	77) count 0 0 1 && say "skipped  $name: $(tail -n 1 "$log")" ;;
	*)
		count 0 1 0
		[ $status != 124 ] || name="$name: not done after $seconds s"
		say "FAILED   $name"
		show_end "$log"
		;;
	esac
	return $status
}

# A command that leaves a file of results, each of which counts.
check_many() { # name seconds format file command...
	local name=$1 seconds=$2 format=$3 file=$4 log start=$SECONDS status numbers p f s
	shift 4
	log=$logs/${name//[^A-Za-z0-9._+-]/-}.log
	# shellcheck disable=SC2034 # for who sources this
	log_of_last=$log
	rm -f "$file"
	run_logged "$log" "$seconds" "$@"
	status=$?
	mapfile -t numbers < <(python3 tests/results.py "$format" "$file")
	read -r p f s <<<"${numbers[0]:-0 1 0}"
	# A runner that failed although no test did, e.g. because a fixture could not be cleared away.
	if [ $status != 0 ] && [ "$f" = 0 ]; then f=1; fi
	count "$p" "$f" "$s"
	if [ "$f" = 0 ]; then say "passed   $name: $p tests ($((SECONDS - start)) s)"; else say "FAILED   $name: $f of $((p + f)) tests"; fi
	[ ${#numbers[@]} -lt 2 ] || printf '         %s\n' "${numbers[@]:1}"
	[ "$f" = 0 ] || show_end "$log"
	[ "$f" = 0 ]
}

# Meson's build of a kind, in $builds/KIND; made anew where its settings changed.
build() { # kind compiler [meson's settings...]
	local kind=$1 dir=$builds/$1 compiler=$2
	shift 2
	if [ "$(cat "$dir/settings" 2>/dev/null)" != "$compiler $*" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		check "$kind: setup" 300 env CC="$compiler" meson setup "$dir" "$root" "$@" || return
		echo "$compiler $*" >"$dir/settings"
	fi
	check "$kind: build without warnings" 1200 ninja -C "$dir"
}

# With a wrapper, if one is set: a command and its arguments, in whose name meson keeps its log.
unit_tests() { # kind [meson test's settings...]
	local kind=$1 dir=$builds/$1 command=${wrapper:-}
	local log=$dir/meson-logs/testlog${command:+-${command%% *}}.json
	shift
	check_many "$kind: unit tests" 1800 meson "$log" \
		meson test -C "$dir" --no-rebuild --print-errorlogs ${command:+--wrapper "$command"} "$@"
}

# pytest, of the python that has it: the one in PATH may be another than Debian's.
pytest() {
	local python needed=pytest
	[[ " $* " != *" -n "* ]] || needed=xdist
	for python in python3 /usr/bin/python3; do
		if "$python" -c "import $needed" 2>/dev/null; then
			"$python" -m pytest --basetemp="$KEVFS_TESTS/pytest" "$@"
			return
		fi
	done
	echo "no $needed (Debian: python3-pytest, python3-pytest-xdist)"
	return 1
}
export -f pytest

mount_tests() { # kind seconds [pytest's arguments...]
	local kind=$1 seconds=$2 problem
	shift 2
	problem=$(no_fuse)
	if [ -n "$problem" ]; then
		count 0 0 1
		say "skipped  $kind: mount tests: $problem"
		return
	fi
	# Those that need the real control plane keep to one process.
	[ "${KEVFS_MOUNT_JOBS:-1}" = 1 ] || set -- -n "$KEVFS_MOUNT_JOBS" --dist loadgroup "$@"
	# shellcheck disable=SC2016 # for the inner shell
	KEVFS_BIN=$builds/$kind/fs/kevfs check_many "$kind: mount tests" "$seconds" junit "$logs/$kind-mount.xml" \
		bash -c 'pytest "$@"' - tests/mount --junitxml="$logs/$kind-mount.xml" -o junit_logging=no -q "$@"
}

# shellcheck disable=SC2317 # called through xargs
fuzz_one() { # seconds program corpus work
	local name=${2##*/fuzz_}
	mkdir -p "$4/corpus-$name"
	# Its own code for a crash is 77, which says "skipped" here.
	"$2" -error_exitcode=1 -max_total_time="$1" -timeout=30 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="fuzz-$name-" "$4/corpus-$name" "$3/$name" >"fuzz-$name.log" 2>&1
	echo $? >"fuzz-$name.status"
}
export -f fuzz_one

# Each fuzz target for so long, from its corpus; what it finds stays in $logs.
fuzz() { # seconds
	local seconds=$1 target name
	local corpus=$root/tests/fuzz/corpus
	local targets=("$builds"/fuzz/tests/fuzz/fuzz_*)
	mkdir -p "$logs/fuzz"
	rm -f "$logs"/fuzz/*.status
	for target in "${targets[@]}"; do [ ! -f "$target" ] || [ ! -x "$target" ] || printf '%s\0' "$target"; done >"$work/targets"
	# shellcheck disable=SC2016 # for the inner shell
	# Whatever else happens, this must not be what is waited for.
	run_logged "$logs/fuzz.log" $(((seconds + 60) * ${#targets[@]})) \
		env -C "$logs/fuzz" xargs -0 -a "$work/targets" -P "$(nproc)" -I{} bash -c 'fuzz_one "$@"' - "$seconds" {} "$corpus" "$work"
	while IFS= read -r -d '' target; do
		name=${target##*/fuzz_}
		# shellcheck disable=SC2016
		check "fuzz: $name for $seconds s" 10 bash -c 'tail -n 60 "$1.log"; exit "$(cat "$1.status")"' - "$logs/fuzz/fuzz-$name"
	done <"$work/targets"
	rm -rf "$work"/corpus-*
}

# Nothing stays behind. A daemon may need a moment after its mount is gone.
check_leftovers() {
	for _ in $(seq "${KEVFS_GRACE:-10}"); do
		[ -n "$(marked)" ] || break
		sleep 1
	done
	leftovers >"$work/leftovers"
	# shellcheck disable=SC2016 # for the inner shell
	check "nothing is left behind" 10 bash -c 'cat "$1"; ! [ -s "$1" ]' - "$work/leftovers"
}

# The last line, and how it all ended.
finish() {
	check_leftovers
	say
	say "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ]
}
