import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure, wordsFor } from "@/panels/Page";
import { api } from "@/sync/api";

type Offer = Awaited<ReturnType<typeof api.lookAtInvitation>>;

/** Where a link leads: somebody chooses a name and a password, and is in the project. */
export function Invited({ secret }: { secret: string }): JSX.Element {
  const [offer, setOffer] = useState<Offer | null>(null);
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "Invitation · Masklet";
    api
      .lookAtInvitation(secret)
      .then(setOffer)
      .catch((failure: unknown) => setError(wordsFor(failure)));
  }, [secret]);

  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const said = (name: string): string => String(form.get(name) ?? "");
    setBusy(true);
    setError("");
    try {
      const { project } = await api.acceptInvitation({
        secret,
        username: said("username").trim(),
        name: said("name").trim(),
        password: said("password"),
      });
      location.assign(`/projects/${project}/tasks`);
    } catch (failure) {
      setError(wordsFor(failure));
      setBusy(false);
    }
  };

  return (
    <main class="sign-in">
      <form class="panel" onSubmit={submit} aria-label="Invitation">
        <h1>Masklet</h1>
        {offer && (
          <>
            <p>
              {offer.by ? `${offer.by} invites you` : "You are invited"} to{" "}
              <strong>{offer.project}</strong> as {offer.role}.
            </p>
            <label class="field">
              Account name
              <input name="username" autocomplete="username" required maxLength={150} autofocus />
            </label>
            <label class="field">
              Your name, as others see it
              <input name="name" autocomplete="name" maxLength={300} />
            </label>
            <label class="field">
              Password
              <input
                name="password"
                type="password"
                autocomplete="new-password"
                required
                minLength={8}
              />
            </label>
          </>
        )}
        {!offer && !error && <p class="dim">Looking at the invitation…</p>}
        <Failure words={error} />
        {offer && (
          <button type="submit" class="primary" disabled={isBusy}>
            {isBusy ? "Making your account…" : "Make my account"}
          </button>
        )}
        <p class="dim">
          Have an account? <a href="/sign-in">Sign in</a>; a manager takes you in by its name.
        </p>
      </form>
    </main>
  );
}
