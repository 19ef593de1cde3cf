// The page of the demo's site: it shows who is signed in, which agent brought the page, and a button that stops that
// agent. Pure: values in, HTML out. It has no script.

import { PAGE_COLOURS, escapeHtml } from '@sallyport/protocol'

const STYLE = `${PAGE_COLOURS}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; grid-template-columns: minmax(0, 44rem); place-content: center; padding: clamp(1rem, 4vw, 2.5rem); background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { padding: clamp(1.25rem, 5vw, 2.5rem); background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--accent); border-radius: .75rem; overflow-wrap: anywhere }
h1 { margin: 0; font-size: clamp(1.6rem, 5vw, 2.1rem); line-height: 1.2 }
h2 { margin: 2rem 0 .75rem; color: var(--soft); font-size: .8rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase }
p { margin: .5rem 0 0 } .soft { color: var(--soft) }
.way { display: flex; margin: 0; padding: 0; list-style: none }
.way li { flex: 1; position: relative; padding: .8rem .9rem; border: 1px solid var(--line); border-radius: .5rem }
.way li + li { margin-left: 1.75rem }
.way li + li::before { content: "→"; position: absolute; left: -1.4rem; top: 50%; translate: 0 -50%; color: var(--soft) }
.way small { display: block; text-wrap: balance; color: var(--soft); font-size: .8rem; line-height: 1.4 }
.way .here { border: 2px solid var(--accent); padding: calc(.8rem - 1px) calc(.9rem - 1px) } .here strong { color: var(--accent) }
.agents { margin: 0; padding: 0; list-style: none; border: 1px solid var(--line); border-radius: .5rem }
.agents li { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; min-height: 4rem; padding: .6rem .9rem } .agents li + li { border-top: 1px solid var(--line) }
.agents li::before { content: ""; flex: none; width: .7rem; height: .7rem; border-radius: 50%; border: 2px solid var(--soft) }
.agents .online::before { background: var(--accent); border-color: var(--accent) }
.agents div { flex: 1; min-width: 60% } .agents span, .agents .gone { color: var(--soft) } form { margin: 0 } .agents + p { margin-top: .75rem }
button, .button { display: inline-block; padding: .55rem 1.1rem; border: 1px solid var(--accent); border-radius: .375rem; background: var(--accent); color: var(--card); font: inherit; font-weight: 600; text-decoration: none; cursor: pointer }
button { background: none; color: var(--accent) } button:hover { background: var(--accent); color: var(--card) }
a { color: var(--accent) } .button { color: var(--card) } a:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
nav { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 1.5rem; margin-top: 1.75rem }
@media (max-width: 34rem) { .way { flex-direction: column } .way li + li { margin: 1.75rem 0 0 } .way li + li::before { content: "↓"; left: 50%; top: -1.65rem; translate: -50% 0 } form, button { width: 100% } }
`

export interface SiteView {
  visitor: { name: string; email: string }
  /** The agent that brought this request. */
  agent: string
  online: readonly string[]
  stoppable: readonly string[]
  /** The token by which the site recognises its own form. */
  formToken: string
}

export function renderSite(view: SiteView): { headers: Record<string, string>; body: string } {
  const { visitor, agent } = view
  const email = visitor.email && ` <span class="soft">(${escapeHtml(visitor.email)})</span>`
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>My application</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>My application</h1>
<p>This is a protected application. You are <strong>${escapeHtml(visitor.name)}</strong>${email}.</p>
<h2>The way to this page</h2>
<ol class="way">
<li><strong>You</strong><small>your browser</small></li>
<li><strong>Relay</strong><small>saw that you are signed in</small></li>
<li class="here"><strong>${escapeHtml(agent)}</strong><small>served this page</small></li>
</ol>
<h2>The agents</h2>
<ul class="agents">
${agentsOf(view)
  .map((name) => agentHtml(name, view))
  .join('\n')}
</ul>
<p class="soft">${escapeHtml(adviceFor(view))}</p>
<nav><a class="button" href="/">Reload</a> <a href="/.sallyport/logout">Sign out</a></nav>
</main>
</body>
</html>
`
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      'cache-control': 'no-store',
    },
    body,
  }
}

/** The demo's first two agents, and all others online. */
function agentsOf({ agent, online }: SiteView): string[] {
  return [...new Set(['agent 1', 'agent 2', agent, ...online])].toSorted()
}

function agentHtml(name: string, { agent, online, stoppable, formToken }: SiteView): string {
  const shown = escapeHtml(name)
  const item = (state: 'online' | 'gone', words: string, further = ''): string =>
    `<li class="${state}"><div><strong>${shown}</strong> <span>${words}</span></div>${further}</li>`
  if (name === agent)
    return item('online', 'served this page', stoppable.includes(name) ? stopForm(shown, formToken) : '')
  if (online.includes(name)) return item('online', 'is online')
  return item('gone', 'is gone; the terminal of the demo says how to bring it back')
}

function stopForm(shown: string, formToken: string): string {
  return `<form method="post" action="/stop"><input type="hidden" name="token" value="${escapeHtml(formToken)}"><input type="hidden" name="agent" value="${shown}"><button>Stop ${shown}</button></form>`
}

function adviceFor({ agent, online }: SiteView): string {
  const hasOthers = online.some((name) => name !== agent)
  if (hasOthers) return `Reload to see the agents take turns. Stop ${agent} and another takes over; you stay signed in.`
  return `All visitors come through ${agent} now, and you are still signed in. Stop it too, and the relay says that nobody is left.`
}
