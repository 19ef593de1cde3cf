// Texts of other programs in relay.yml. Pure.

/** A text that is no template, as relay.yml needs it. */
export function literally(text: string): string {
  return text.replaceAll('${', () => '$${')
}
