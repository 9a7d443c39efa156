import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure, wordsFor } from "@/panels/Page";
import { afterSignIn, api, needsCode } from "@/sync/api";

export function SignIn(): JSX.Element {
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isCodeAsked, setCodeAsked] = useState(false);
  useEffect(() => {
    document.title = "Sign in · Masklet";
  }, []);

  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError("");
    try {
      await api.signIn(
        String(form.get("username")),
        String(form.get("password")),
        String(form.get("code") ?? ""),
      );
      location.assign(afterSignIn(location.search));
    } catch (failure) {
      // The first time it is a question, not a failure.
      setError(needsCode(failure) && !isCodeAsked ? "" : wordsFor(failure));
      setCodeAsked(isCodeAsked || needsCode(failure));
      setBusy(false);
    }
  };

  return (
    <main class="sign-in">
      <form class="panel" onSubmit={submit}>
        <h1>Masklet</h1>
        <p class="dim">Label camera and LiDAR drives together.</p>
        <label class="field">
          Name
          <input name="username" autocomplete="username" required autofocus />
        </label>
        <label class="field">
          Password
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {isCodeAsked && (
          <label class="field">
            Code of your app, or a recovery code
            <input
              name="code"
              autocomplete="one-time-code"
              maxLength={20}
              required
              ref={(field) => {
                if (field && !field.value) field.focus();
              }}
            />
          </label>
        )}
        <Failure words={error} />
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? "Signing in…" : "Sign in"}
        </button>
        <p>
          <a href="/forgotten">Forgot your password?</a>
        </p>
        <p class="dim">Accounts are made by an admin, or with a manager's link.</p>
      </form>
    </main>
  );
}
