# shellcheck shell=bash
# What the scripts share; sourced, never run. It sets: root (the checkout), cache (what is kept between runs).
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for who sources this
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kevfs

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Debian's packages, by what they are for. Without recommended packages, gcc has no C library to compile against and clang no
# sanitizers.
declare -A packages=(
	[build]="gcc libc6-dev pkg-config meson ninja-build libfuse3-dev fuse3 libcurl4-openssl-dev libjansson-dev libssl-dev
		libyaml-dev uthash-dev zlib1g-dev liblzma-dev libzstd-dev libbz2-dev libsqlite3-dev"
	[test]="clang clang-tidy clang-format llvm libclang-rt-dev libcmocka-dev python3 python3-venv python3-pytest python3-pytest-xdist
		ca-certificates curl git openssl jq procps util-linux man-db mandoc shellcheck
		rsync restic borgbackup attr xz-utils zstd bzip2 less rsyslog openssh-client openssh-sftp-server samba smbclient"
	[bench]="python3 python3-venv ca-certificates util-linux curl e2fsprogs openssl ripgrep rsync"
	[all]="valgrind gcovr"
)

missing_packages() {
	local package
	for package in "$@"; do
		# A line an architecture; what was removed may still be known by its configuration.
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
	done
}

# As root, in a shell of its own. Servers are for tests, which run their own: those of the packages start neither now nor at the next
# boot.
install_without_services() { # package...
	local policy=/usr/sbin/policy-rc.d units
	if [ ! -e "$policy" ]; then
		# shellcheck disable=SC2064 # it is known now
		trap "rm -f $policy" EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || return
	fi
	apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" || return
	mapfile -t units < <(dpkg -L "$@" | sed -n 's|^.*/systemd/system/\([^/@]*\.service\)$|\1|p' | sort -u)
	if [ ${#units[@]} -gt 0 ] && [ -d /run/systemd/system ]; then
		systemctl --quiet disable "${units[@]}" || true
	fi
}

# Installs what is missing of the named groups; with nothing missing it is quick, and needs neither network nor root.
install_packages() { # group...
	local group list missing log names=() as_root
	for group in "$@"; do
		read -r -d '' -a list <<<"${packages[$group]}" || true
		names+=("${list[@]}")
	done
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "Not a Debian: make sure that the equivalents of these are installed: ${names[*]}"
		return
	fi
	mapfile -t missing < <(missing_packages "${names[@]}")
	[ ${#missing[@]} -gt 0 ] || return 0
	as_root=(env DEBIAN_FRONTEND=noninteractive)
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "not installed: ${missing[*]}; only root may do that, and there is no sudo"
		as_root=(sudo "${as_root[@]}")
	fi
	say "Installing ${missing[*]}"
	log=$(mktemp)
	# shellcheck disable=SC2016 # for the inner shell
	if ! { "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update &&
		"${as_root[@]}" bash -c "$(declare -f install_without_services)"'; install_without_services "$@"' - "${missing[@]}"; } </dev/null >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "cannot install ${missing[*]}"
	fi
	rm -f "$log"
}

# A directory that may be written, for a build: in the checkout if possible.
build_dir() { # name
	local dir=$root/build-$1
	if [ -d "$dir" ] && [ -w "$dir" ] || { [ ! -e "$dir" ] && [ -w "$root" ]; }; then
		echo "$dir"
	else
		echo "$cache/build-$1-$(cksum <<<"$root" | cut -d ' ' -f 1)"
	fi
}

# Builds kevfs as it is installed, in the build directory of that name; sets $kevfs to the program.
build_release() { # name
	local build log
	build=$(build_dir "$1")
	log=$build/build.log
	mkdir -p "$build"
	say "Building kevfs in $build"
	# A newer compiler's newer warnings are for who develops it.
	if [ ! -e "$build/build.ninja" ]; then
		meson setup "$build" "$root" --buildtype=release -Dtests=false -Dwerror=false >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "meson fails; all of it: $log"; }
	fi
	ninja -C "$build" >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "the build fails; all of it: $log"; }
	# shellcheck disable=SC2034 # for who sources this
	kevfs=$build/fs/kevfs
}

# Why there can be no FUSE mount here; nothing when there can be.
no_fuse() {
	if [ ! -e /dev/fuse ] && [ "$(id -u)" = 0 ]; then
		modprobe fuse 2>/dev/null || true
		[ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229 2>/dev/null || true
	fi
	if [ ! -e /dev/fuse ]; then
		echo "there is no /dev/fuse; in a container: start it with --device /dev/fuse --cap-add SYS_ADMIN"
	elif [ "$(id -u)" != 0 ] && ! [ -r /dev/fuse ]; then
		echo "you may not open /dev/fuse; as root: chmod 666 /dev/fuse"
	elif ! (exec 3<>/dev/fuse) 2>/dev/null; then
		echo "/dev/fuse may not be opened; in a container: start it with --device /dev/fuse --cap-add SYS_ADMIN"
	elif [ "$(id -u)" != 0 ] && ! command -v fusermount3 >/dev/null; then
		echo "fusermount3, by which an ordinary user mounts, is missing (Debian: fuse3)"
	fi
}
