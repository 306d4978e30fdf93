# Sources that release/libraries.lock pins: fetched, checked and unpacked in build/release/sources. Read by build.sh, whose
# functions it uses.
# shellcheck shell=bash

release=build/release

release_fetch() { # release_fetch KIND WHAT TARGET: from wherever this machine's apt or pip gets it; false: not there
    local uri component folder=$3.folder
    case $1 in
    pool)
        for uri in $(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u); do
            for component in main universe; do
                ! /usr/lib/apt/apt-helper download-file "${uri%/}/pool/$component/$2" "$3" >/dev/null 2>&1 || return 0
            done
        done ;;
    pypi)
        rm -rf "$folder"
        python3 -m pip download -q --disable-pip-version-check --no-deps --no-binary="${2%%==*}" -d "$folder" "$2" \
            >/dev/null 2>&1 || return 1
        mv "$folder"/*.tar.gz "$3"
        rmdir "$folder"
        return 0 ;;
    git) # URL@COMMIT: of its files those that are compiled, included or notices
        rm -rf "$folder"
        git init -q --bare "$folder"
        if git -C "$folder" fetch -q --depth 1 "${2%@*}" "${2##*@}" >/dev/null 2>&1; then
            release_archive "$folder" FETCH_HEAD >"$3"
            rm -rf "$folder"
            return 0
        fi
        rm -rf "$folder" ;;
    esac
    return 1
}
release_archive() { # release_archive REPOSITORY COMMIT
    local files
    mapfile -t files < <(git -C "$1" ls-tree -r --name-only "$2" | grep -E '[.]([ch]|inl)$|[.]h[.]in$|LICENSE' | grep -v third_party/)
    git -C "$1" archive --format=tar "$2" "${files[@]}"
}

release_unpack() { # release_unpack ARCHIVE FOLDER
    rm -rf "$2"
    mkdir -p "$2"
    case $1 in
    *.deb) dpkg-deb -x "$1" "$2" ;;
    *) tar -xf "$1" -C "$2" --no-same-owner ;;
    esac
}

release_library() { # release_library NAME: $release/sources/NAME, and NAME.row, the row of the lock that it is from
    local name=$1 folder=$release/sources row version kind sum what file
    ! grep -qxF -e "$(cat "$folder/$name.row" 2>/dev/null || echo none)" release/libraries.lock || return 0
    while read -r row; do
        read -r _ version kind sum what <<<"$row"
        file=$folder/${what##*/}
        [ -e "$file" ] || release_fetch "$kind" "$what" "$file" || { say "$name $version is not here ($kind $what); its next source is tried"; continue; }
        [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "$sum" ] || { rm "$file"; say "$what has another sha256 here than in release/libraries.lock; the next source of $name is tried"; continue; }
        release_unpack "$file" "$folder/$name"
        echo "$row" >"$folder/$name.row"
        return 0
    done < <(grep "^$name " release/libraries.lock)
    die "no source of $name could be fetched; release/libraries.lock lists them"
}

place() { dirname "$(find "$release/sources/$1" -name "$2" -print -quit)"; } # place LIBRARY FILE: its folder

civetweb_files() { # civetweb_files FOLDER: what src/vendor_http.c and src/serve include of it
    cp "$(place civetweb civetweb.h)/civetweb.h" "$(place civetweb civetweb.c)"/{civetweb.c,*.inl} "$1/"
}
