import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useActs, useLoaded, Waiting } from "@/panels/Page";
import { api } from "@/sync/api";

/** Where mail goes: a new password for who has lost theirs, and what happened since they last looked. */
export function Address(): JSX.Element {
  const address = useLoaded(api.address, "address");
  const { error, act } = useActs(address.reload);
  const [email, setEmail] = useState("");
  const [asked, setAsked] = useState("");
  const { value } = address;
  const ask = async (event: Event) => {
    event.preventDefault();
    const wanted = email.trim();
    setAsked("");
    if (!(await act(api.changeAddress({ email: wanted })))) return;
    setAsked(wanted);
    setEmail("");
  };
  return (
    <section class="panel stack" aria-label="Mail address">
      <h2>Mail address</h2>
      <Waiting of={address} what="your address" />
      {value && !value.is_possible && (
        <p class="dim">This installation has no mail server, so that nobody is mailed anything.</p>
      )}
      {value?.email && (
        <div class="row apart">
          <p>
            <strong>{value.email}</strong>
          </p>
          <button type="button" class="quiet" onClick={() => void act(api.forgetAddress())}>
            Forget it
          </button>
        </div>
      )}
      {value?.is_possible && (
        <form class="row" onSubmit={ask}>
          <input
            class="short"
            type="email"
            aria-label={value.email ? "Another address" : "Your address"}
            placeholder={value.email ? "Another address" : "you@example.org"}
            value={email}
            maxLength={254}
            onInput={(event) => setEmail(event.currentTarget.value)}
          />
          <button type="submit" disabled={!email.trim()}>
            Send a link there
          </button>
        </form>
      )}
      {asked && (
        <p class="notice" role="status">
          Open the link in the mail to {asked}: then it is yours here. It works for two days.
        </p>
      )}
      {value?.email && (
        <label>
          <input
            type="checkbox"
            checked={value.wants_digest}
            onChange={(event) =>
              void act(api.changeAddress({ wants_digest: event.currentTarget.checked }))
            }
          />{" "}
          Mail me what I have not read, once a day at most
        </label>
      )}
      <Failure words={error} />
    </section>
  );
}
