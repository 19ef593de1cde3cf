// Remembers the last result of a pure function of texts: several rules in a row read the query, the cookies or the address of
// one exchange. Bounded: one entry.

/** @returns a function with the same results, which are shared: nobody may change them */
export function rememberLast<Result>(compute: (text: string) => Result): (text: string) => Result {
  let last: { text: string; result: Result } | undefined
  return (text) => {
    if (last?.text !== text) last = { text, result: compute(text) }
    return last.result
  }
}
