// Texts of a policy that are evaluated once, when it is read, although ngrok evaluates them for each request. Pure: no I/O,
// no clock.

/** A call or a select, as in `${secrets.get('vault', 'name')}`: a secret may contain `${` by chance. */
const CALL_OR_SELECT = /\w\s*[.([]/

/** The end of a sentence about a text with `${…}` that can have none: it decides who signs in, and where. */
export function expressionProblem(written: string): string | undefined {
  const [, ...placeholders] = written.split('${')
  if (!placeholders.some((each) => CALL_OR_SELECT.test(each.split('}', 1)[0] ?? ''))) return undefined
  return 'has an expression, and must be the same for every visitor; write the text itself, or a variable of the environment in capitals, such as ${OIDC_SECRET}'
}
