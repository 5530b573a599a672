import { useCallback, useEffect, useState } from 'preact/hooks'
import { type Access, call, gateway, isSignedOut, watchCalls, wordsOf } from './gateway.ts'
import { AuditLog, Tokens } from './pages/access.tsx'
import { Direct } from './pages/direct.tsx'
import { Messages } from './pages/messages.tsx'
import { Network } from './pages/network.tsx'
import { Overview } from './pages/overview.tsx'
import { Topics } from './pages/topics.tsx'
import { SignIn } from './sign-in.tsx'

/** The pages, by the fragment of the address, which is never sent to the gateway. */
const overview = { path: '#/', name: 'Overview', Page: Overview }
const pages = [
  overview,
  { path: '#/topics', name: 'Topics', Page: Topics },
  { path: '#/messages', name: 'Messages', Page: Messages },
  { path: '#/network', name: 'Network', Page: Network },
  { path: '#/direct', name: 'Direct messages', Page: Direct },
  { path: '#/tokens', name: 'Tokens', Page: Tokens },
  { path: '#/audit', name: 'Audit', Page: AuditLog },
]

const retryMs = 2_000

function currentPage() {
  const [path = ''] = location.hash.split('?')
  return pages.find((page) => page.path === path) ?? overview
}

export function App() {
  const [access, setAccess] = useState<Access>({ type: 'asking' })
  const [isUnreachable, setUnreachable] = useState(false)
  const [page, setPage] = useState(currentPage)

  const ask = useCallback(async () => {
    try {
      const client = await call(() => gateway.rest.call('get', '/v1/session'))
      setAccess({ type: 'signedIn', client })
    } catch (error) {
      if (error instanceof TypeError) setTimeout(ask, retryMs)
      else setAccess({ type: 'signedOut', reason: isSignedOut(error) ? 'This gateway needs a token.' : wordsOf(error) })
    }
  }, [])

  useEffect(() => {
    const turn = () => setPage(currentPage())
    addEventListener('hashchange', turn)
    const unwatch = watchCalls({
      // Calls that were under way at a sign-out fail after it, and are no news.
      signedOut: (reason) => setAccess((before) => (before.type === 'signedIn' ? { type: 'signedOut', reason } : before)),
      unreachable: setUnreachable,
    })
    void ask()
    return () => {
      removeEventListener('hashchange', turn)
      unwatch()
    }
  }, [ask])

  useEffect(() => {
    document.title = `${page.name} · Peergate`
  }, [page])

  async function signOut() {
    await call(() => gateway.rest.call('delete', '/v1/session'))
    setAccess({ type: 'signedOut', reason: 'You have signed out.' })
  }

  const away = isUnreachable && (
    <p class="notice bad" role="status">
      The gateway does not answer. This page goes on by itself when it is back.
    </p>
  )
  if (access.type === 'signedOut') return <SignIn reason={access.reason} done={ask} />
  if (access.type === 'asking') return <main class="sign-in">{away || <p class="faint">Connecting…</p>}</main>
  const { client } = access
  return (
    <div class="frame">
      <header class="side">
        <a class="skip" href="#content">
          Skip to the content
        </a>
        <p class="brand">Peergate</p>
        <nav aria-label="Pages">
          <ul>
            {pages.map(({ path, name }) => (
              <li key={path}>
                <a href={path} aria-current={path === page.path ? 'page' : undefined}>
                  {name}
                </a>
              </li>
            ))}
            <li>
              <a href="/docs">Explorer</a>
            </li>
          </ul>
        </nav>
        <div class="who">
          {client.session ? (
            <>
              <p class="faint">Signed in as {client.id}</p>
              <button type="button" onClick={signOut}>
                Sign out
              </button>
            </>
          ) : (
            <>
              <p class="faint">Without a token, as {client.id}</p>
              <button type="button" onClick={() => setAccess({ type: 'signedOut', reason: 'Sign in with a token for other rights.' })}>
                Sign in
              </button>
            </>
          )}
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <h1>{page.name}</h1>
        {away}
        <page.Page key={page.path} />
      </main>
    </div>
  )
}
