#!/usr/bin/env bash
# The script of the GitHub Action: one check with annotations, a summary and a page.
# It reads the inputs of action.yml from the environment.
set -uo pipefail

shopt -s nullglob globstar
# The shell splits the input at spaces and expands patterns. It executes nothing in the text of an input.
histories=($HISTORIES)
if [ "${#histories[@]}" -eq 0 ]; then
    echo "::error title=steadfast::No file fits the pattern '$HISTORIES'. Check the input 'histories'."
    echo "exit-code=2" >>"$GITHUB_OUTPUT"
    exit 2
fi

words=()
[ -n "${CONSISTENCY:-}" ] && words+=("--consistency=$CONSISTENCY")
[ -n "${MODEL:-}" ] && words+=("--model=$MODEL")
[ -n "${TIMEOUT:-}" ] && words+=("--timeout=$TIMEOUT")
shopt -u nullglob
set -f
[ -n "${OPTIONS:-}" ] && words+=($OPTIONS)
set +f

annotations=$(mktemp)
problems=$(mktemp)
trap 'rm -f "$annotations" "$problems"' EXIT
"$STEADFAST" check "${words[@]}" --color never --force --format github --report "$REPORT" -- "${histories[@]}" \
    >"$annotations" 2>"$problems"
code=$?
cat "$annotations"
cat "$problems" >&2

{
    case "$code" in
        0) echo "### steadfast: everything holds" ;;
        1) echo "### steadfast: violated" ;;
        2) echo "### steadfast: a history could not be checked" ;;
        3) echo "### steadfast: unknown or untested" ;;
        *) echo "### steadfast: internal error ($code)" ;;
    esac
    echo
    echo "${#histories[@]} histories. The page with explanations is \`$REPORT\`."
    echo
    # Lines with four spaces are code, so no value of a history can be Markdown. A summary takes a megabyte; the page has the rest.
    "$STEADFAST" check "${words[@]}" --color never -- "${histories[@]}" 2>&1 | head -c 60000 | sed 's/^/    /'
} >>"$GITHUB_STEP_SUMMARY"

echo "exit-code=$code" >>"$GITHUB_OUTPUT"
echo "report=$REPORT" >>"$GITHUB_OUTPUT"
if [ "$code" -eq 3 ] && [ "${FAIL_ON:-}" = violated ]; then
    exit 0
fi
exit "$code"
