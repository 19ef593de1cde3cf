// The pages of the identity provider: one frame, and the form in which a person signs in.

import type { ServerResponse } from 'node:http'

import type { IdentityProviderUser } from './identity-provider.ts'

/** `shown` are the users whose password the page shows; `problem` is the error of the last try. */
export function signInForm(
  clientName: string,
  shown: readonly IdentityProviderUser[],
  problem?: string,
  username = '',
): string {
  const people = shown.map(
    (user) =>
      `<dl class="person"><dt>Username</dt><dd><code>${escapeHtml(user.username)}</code></dd><dt>Password</dt><dd><code>${escapeHtml(user.password)}</code></dd></dl>`,
  )
  return `<p>to continue to <strong>${escapeHtml(clientName)}</strong></p>
${people.length > 0 ? `<aside><p>This is a demo. Sign in as:</p>\n${people.join('\n')}</aside>` : ''}
${problem ? `<p class="problem" role="alert">${escapeHtml(problem)}</p>` : ''}
<form method="post" autocomplete="on">
<label for="username">Username</label>
<input id="username" name="username" value="${escapeHtml(username)}" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>`
}

/** Answers with a page; `body` is HTML, `title` is text. */
export function sendPage(response: ServerResponse, status: number, title: string, body: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    // No form-action: Chromium applies it to the redirects behind the form, which lead to the relay.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  })
  response.end(page(title, body))
}

/** A whole page; `body` is HTML, `title` is text. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Demo identity provider</title>
<style>
:root { color-scheme: light dark; --ground: #eef1f6; --card: #fff; --ink: #1b2430; --soft: #5a6675; --line: #cfd6e0; --accent: #2a4fa8; --wrong: #a3261b }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1b212a; --ink: #e6eaf0; --soft: #9aa6b5; --line: #37414e; --accent: #8fb0ff; --wrong: #ff9b90 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { width: 100%; max-width: 24rem; padding: 2rem 2.25rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0; font-size: 1.5rem } p { margin: 0 0 1rem } .problem { color: var(--wrong); font-weight: 600 }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600 }
input:not([type=hidden]) { width: 100%; padding: .6rem .75rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--ground); color: inherit; font: inherit }
button { width: 100%; margin-top: 1.5rem; padding: .7rem; border: 0; border-radius: .4rem; background: var(--accent); color: var(--card); font: inherit; font-weight: 600; cursor: pointer }
input:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
aside { margin: 1.25rem 0; padding: .75rem 1rem; border: 1px dashed var(--line); border-radius: .4rem; background: var(--ground) } aside p { margin: 0; color: var(--soft); font-size: .875rem }
.person { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: .25rem 0 0 } dt { color: var(--soft) } dd { margin: 0 } code { font: .95em ui-monospace, "SF Mono", Menlo, Consolas, monospace }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .875rem }
</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
<footer>Demo identity provider</footer>
</main>
</body>
</html>
`
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
