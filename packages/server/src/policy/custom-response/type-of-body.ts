// The most probable type of a text without a stated one. Pure: no I/O, no clock.

/** @param written the text in the policy. It alone makes the body HTML or XML; text from visitors cannot. */
export function typeOfBody(text: string, written = text): string {
  const start = written.trimStart().slice(0, 64).toLowerCase()
  if (/^(?:<!doctype html|<html|<head|<body)[\s>]/.test(start)) return 'text/html; charset=utf-8'
  if (start.startsWith('<?xml')) return 'application/xml; charset=utf-8'
  if (/^\s*[[{]/.test(text) && isJson(text)) return 'application/json; charset=utf-8'
  return 'text/plain; charset=utf-8'
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false // the answer to the caller's question
  }
}
