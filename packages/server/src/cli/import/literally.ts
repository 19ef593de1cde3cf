// Texts of other programs in relay.yml. Pure.

/** Escapes a text for relay.yml, so that nothing in it is read as a template. */
export function literally(text: string): string {
  return text.replaceAll('${', () => '$${')
}
