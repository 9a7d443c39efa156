import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure, wordsFor } from "@/panels/Page";
import { api } from "@/sync/api";

/** Who has forgotten their password asks for a link here. */
export function Forgotten(): JSX.Element {
  const [isSent, setSent] = useState(false);
  const form = useForm("A new password", async (said) => {
    await api.forgotPassword(said("email").trim());
    setSent(true);
  });
  return (
    <main class="sign-in">
      <form class="panel" onSubmit={form.submit} aria-label="A new password">
        <h1>Masklet</h1>
        {isSent ? (
          <p role="status">
            If an account has this address, a link is on its way. It works for two hours.
          </p>
        ) : (
          <>
            <label class="field">
              The mail address of your account
              <input
                name="email"
                type="email"
                autocomplete="email"
                required
                maxLength={254}
                autofocus
              />
            </label>
            <Failure words={form.error} />
            <button type="submit" class="primary" disabled={form.isBusy}>
              Mail me a link
            </button>
          </>
        )}
        <p class="dim">
          <a href="/sign-in">Back to the sign-in</a>
        </p>
      </form>
    </main>
  );
}

/** Where the link of such a mail leads. */
export function NewPassword({ secret }: { secret: string }): JSX.Element {
  const form = useForm("A new password", async (said) => {
    await api.setPassword(secret, said("password"));
    location.assign("/sign-in");
  });
  return (
    <main class="sign-in">
      <form class="panel" onSubmit={form.submit} aria-label="A new password">
        <h1>Masklet</h1>
        <label class="field">
          A new password
          <input
            name="password"
            type="password"
            autocomplete="new-password"
            required
            minLength={8}
            autofocus
          />
        </label>
        <Failure words={form.error} />
        <button type="submit" class="primary" disabled={form.isBusy}>
          Take it
        </button>
        <p class="dim">You are signed out everywhere, and sign in with it.</p>
      </form>
    </main>
  );
}

/** Where the link leads that shows that an address is somebody's. */
export function Confirmed({ secret }: { secret: string }): JSX.Element {
  const [error, setError] = useState("");
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    document.title = "Mail address · Masklet";
    api
      .confirmAddress(secret)
      .then(() => setDone(true))
      .catch((failure: unknown) => setError(wordsFor(failure)));
  }, [secret]);
  return (
    <main class="sign-in">
      <div class="panel stack">
        <h1>Masklet</h1>
        {isDone && <p role="status">This address is yours now.</p>}
        {!isDone && !error && <p class="dim">Looking at the link…</p>}
        <Failure words={error} />
        <p>
          <a href="/account">To your account</a>
        </p>
      </div>
    </main>
  );
}

function useForm(title: string, act: (said: (name: string) => string) => Promise<void>) {
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = `${title} · Masklet`;
  }, [title]);
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError("");
    try {
      await act((name) => String(form.get(name) ?? ""));
    } catch (failure) {
      setError(wordsFor(failure));
    }
    setBusy(false);
  };
  return { error, isBusy, submit };
}
