// Labels: an agent gives them to a tunnel, and a backend selects by them. Pure: no I/O, no clock. Comparison is whole
// and case-sensitive, on both sides of the wire.

/** Key → value. A Map, so that a label named `__proto__` is a label like any other. */
export type Labels = ReadonlyMap<string, string>

export const LABEL_MAX_CHARS = 255

/**
 * Reads one `key=value` as typed after `--label`. The value may contain `=`; neither part may be empty.
 * @returns the pair, or a sentence with the problem
 */
export function parseLabel(text: string): { key: string; value: string } | { problem: string } {
  const equals = text.indexOf('=')
  if (equals <= 0 || equals === text.length - 1) {
    return { problem: `"${text}" is not a label. Write key=value, for example edge=edg_docs.` }
  }
  const key = text.slice(0, equals)
  const value = text.slice(equals + 1)
  const problem = labelProblem(key, value)
  return problem ? { problem } : { key, value }
}

/** The problem of one label, or undefined if it has none. */
export function labelProblem(key: string, value: string): string | undefined {
  if (key === '' || value === '') return 'A label needs a key and a value, for example edge=edg_docs.'
  if (key.length > LABEL_MAX_CHARS || value.length > LABEL_MAX_CHARS) {
    return `The label ${key.slice(0, 20)}… is longer than ${LABEL_MAX_CHARS} characters.`
  }
  if (key.includes('=')) return `The label key "${key}" contains "=".`
  // Printable ASCII only: a label is shown in terminals, logs and pages.
  if (!/^[\x21-\x7e]+$/.test(key) || !/^[\x20-\x7e]+$/.test(value)) {
    return `The label "${JSON.stringify(key).slice(1, -1)}" contains characters other than printable ASCII.`
  }
  return undefined
}

/** Whether `selector` matches a tunnel with `labels`: it has all of the selector's labels, and may have more. */
export function matchesSelector(selector: Labels, labels: Labels): boolean {
  for (const [key, value] of selector) {
    if (labels.get(key) !== value) return false
  }
  return true
}

/** `edge=edg_docs, app=web`, sorted by key, for logs and people. */
export function formatLabels(labels: Labels): string {
  return [...labels]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(', ')
}
