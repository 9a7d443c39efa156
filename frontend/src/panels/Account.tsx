import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Address } from "@/panels/Address";
import { Failure, Page, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { SecondFactor } from "@/panels/SecondFactor";
import { type ApiToken, api, type User } from "@/sync/api";

const DAY_MS = 24 * 3600 * 1000;
const LASTING = [7, 30, 90, 365]; // days

/** What belongs to a person alone: how they sign in, and tokens for programs that act in their name. */
export function Account(props: { user: User }): JSX.Element {
  const tokens = useLoaded(api.tokens, "tokens");
  return (
    <Page user={props.user} title="Account">
      <div class="stack">
        <h1>Account</h1>
        <SecondFactor />
        <Address />
        <h2>API tokens</h2>
        <p class="dim">
          A program that sends <code>Authorization: Bearer TOKEN</code> acts in your name, in your
          projects and with your role there. What it may ask for:{" "}
          <a href="/api/docs/">/api/docs/</a>.
        </p>
        <NewToken onMade={tokens.reload} />
        <Waiting of={tokens} what="your tokens" />
        {tokens.value?.length === 0 && <p class="dim">You have no tokens.</p>}
        {tokens.value && tokens.value.length > 0 && (
          <table aria-label="Your tokens">
            <thead>
              <tr>
                <th>For</th>
                <th>May</th>
                <th>Ends with</th>
                <th>Last used</th>
                <th>Expires</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {tokens.value.map((token) => (
                <Row key={token.id} token={token} onChange={tokens.reload} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </Page>
  );
}

function NewToken(props: { onMade: () => void }): JSX.Element {
  const [name, setName] = useState("");
  const [scope, setScope] = useState<ApiToken["scope"]>("read");
  const [days, setDays] = useState(90);
  const [secret, setSecret] = useState("");
  const [isCopied, setCopied] = useState(false);
  const [error, setError] = useState("");
  const make = async (event: Event) => {
    event.preventDefault();
    setError("");
    setSecret("");
    setCopied(false);
    try {
      const made = await api.makeToken({ name: name.trim(), scope, days });
      setSecret(made.token);
      setName("");
      props.onMade();
    } catch (failure) {
      setError(wordsFor(failure));
    }
  };
  const copy = async () => {
    await navigator.clipboard.writeText(secret);
    setCopied(true);
  };
  return (
    <form class="panel stack" onSubmit={make}>
      <h2>New token</h2>
      <div class="row fields">
        <label class="field">
          What it is for
          <input
            value={name}
            maxLength={60}
            placeholder="nightly export"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          It may
          <select
            class="short"
            value={scope}
            onChange={(event) => setScope(event.currentTarget.value as ApiToken["scope"])}
          >
            <option value="read">read</option>
            <option value="write">read and change</option>
          </select>
        </label>
        <label class="field">
          For
          <select
            class="short"
            value={days}
            onChange={(event) => setDays(Number(event.currentTarget.value))}
          >
            {LASTING.map((some) => (
              <option key={some} value={some}>
                {some} days
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary" disabled={!name.trim()}>
          Make token
        </button>
      </div>
      <Failure words={error} />
      {secret && (
        <div class="notice stack" role="status">
          <span>Copy it now: it is not shown again.</span>
          <div class="row">
            <code class="secret">{secret}</code>
            <button type="button" onClick={copy}>
              {isCopied ? "Copied" : "Copy"}
            </button>
          </div>
        </div>
      )}
    </form>
  );
}

function Row(props: { token: ApiToken; onChange: () => void }): JSX.Element {
  const { token } = props;
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState("");
  const takeBack = async () => {
    setError("");
    try {
      await api.takeTokenBack(token.id);
      props.onChange();
    } catch (failure) {
      setError(wordsFor(failure));
    }
  };
  const left = Math.ceil((Date.parse(token.expires_at) - Date.now()) / DAY_MS);
  return (
    <tr>
      <td>{token.name}</td>
      <td>{token.scope === "read" ? "read" : "read and change"}</td>
      <td>
        <code>…{token.hint}</code>
      </td>
      <td>{token.last_used_at ? day(token.last_used_at) : <span class="dim">never</span>}</td>
      <td>
        {left > 0 ? day(token.expires_at) : <span class="badge danger">expired</span>}
        {left > 0 && left <= 7 && (
          <span class="badge warn">{left === 1 ? "today" : `in ${left} days`}</span>
        )}
      </td>
      <td class="acts">
        <div class="row">
          {isAsking ? (
            <>
              <button type="button" class="dangerous" onClick={takeBack}>
                Take it back
              </button>
              <button type="button" class="quiet" onClick={() => setAsking(false)}>
                Keep
              </button>
            </>
          ) : (
            <button type="button" class="quiet" onClick={() => setAsking(true)}>
              Take back…
            </button>
          )}
        </div>
        <Failure words={error} />
      </td>
    </tr>
  );
}

const day = (iso: string): string =>
  new Date(iso).toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
