#!/bin/sh
# list_fail_points.sh OBJCOPY PROGRAM LIST: the lines of the section "fail_points" (src/base/fail_point.h), sorted.
set -eu
"$1" -O binary --only-section=fail_points "$2" "$3.section"
tr -s '\0' '\n' <"$3.section" | sed -e '/^$/d' -e 's#[^ ]*/src/#src/#' | sort >"$3"
rm "$3.section"
