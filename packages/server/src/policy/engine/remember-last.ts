// Remembers the last result of a pure function of texts, because several rules in a row often read the query, the
// cookies or the address of one exchange. It keeps one entry.

/** @returns a function with the same results. Its callers share them and must not change them */
export function rememberLast<Result>(compute: (text: string) => Result): (text: string) => Result {
  let last: { text: string; result: Result } | undefined
  return (text) => {
    if (last?.text !== text) last = { text, result: compute(text) }
    return last.result
  }
}
