import type { ComponentChildren } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { type Access, call, gateway, isSignedOut, type Schemas, watchCalls, wordsOf } from './gateway.ts'
import { AuditLog, Tokens } from './pages/access.tsx'
import { Consumers } from './pages/consumers.tsx'
import { Direct } from './pages/direct.tsx'
import { Explorer } from './pages/explorer.tsx'
import { Messages } from './pages/messages.tsx'
import { Network } from './pages/network.tsx'
import { Overview } from './pages/overview.tsx'
import { Services } from './pages/services.tsx'
import { Topics } from './pages/topics.tsx'
import { Webhooks } from './pages/webhooks.tsx'
import { type Action, Rights } from './rights.ts'
import { SignIn } from './sign-in.tsx'

interface PageEntry {
  path: string
  name: string
  Page: () => ComponentChildren
  /** Actions of which the client needs one. */
  needs: Action[]
}

/** The explorer needs no right: who may do nothing else sees it. */
const explorer: PageEntry = { path: '#/explorer', name: 'Explorer', Page: Explorer, needs: [] }
/** The pages, by the fragment of the address, which is never sent to the gateway. */
const pages: PageEntry[] = [
  { path: '#/', name: 'Overview', Page: Overview, needs: ['read'] },
  { path: '#/topics', name: 'Topics', Page: Topics, needs: ['read'] },
  { path: '#/messages', name: 'Messages', Page: Messages, needs: ['read', 'publish'] },
  { path: '#/consumers', name: 'Consumers', Page: Consumers, needs: ['read'] },
  { path: '#/webhooks', name: 'Webhooks', Page: Webhooks, needs: ['webhooks'] },
  { path: '#/network', name: 'Network', Page: Network, needs: ['peers'] },
  { path: '#/services', name: 'Services', Page: Services, needs: ['read'] },
  { path: '#/direct', name: 'Direct messages', Page: Direct, needs: ['direct', 'request'] },
  { path: '#/tokens', name: 'Tokens', Page: Tokens, needs: ['admin'] },
  { path: '#/audit', name: 'Audit', Page: AuditLog, needs: ['admin'] },
  explorer,
]

const retryMs = 2_000

function pagesOf({ actions }: Schemas['ClientInfo']): PageEntry[] {
  return pages.filter(({ needs }) => needs.length === 0 || needs.some((action) => actions.includes(action)))
}

function currentPath(): string {
  return location.hash.split('?')[0] || '#/'
}

export function App() {
  const [access, setAccess] = useState<Access>({ type: 'asking' })
  const [isUnreachable, setUnreachable] = useState(false)
  const [path, setPath] = useState(currentPath)

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
    const turn = () => setPath(currentPath())
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

  const offered = access.type === 'signedIn' ? pagesOf(access.client) : []
  const page = offered.find((each) => each.path === path) ?? offered[0] ?? explorer
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
            {offered.map((each) => (
              <li key={each.path}>
                <a href={each.path} aria-current={each === page ? 'page' : undefined}>
                  {each.name}
                </a>
              </li>
            ))}
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
        <Rights.Provider value={client.actions}>
          <page.Page key={page.path} />
        </Rights.Provider>
      </main>
    </div>
  )
}
