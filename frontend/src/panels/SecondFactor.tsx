import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useActs, useLoaded, Waiting } from "@/panels/Page";
import { api } from "@/sync/api";

type Begun = Awaited<ReturnType<typeof api.beginSecondFactor>>;

/** One-time codes of an app, which each sign-in then asks for. */
export function SecondFactor(): JSX.Element {
  const state = useLoaded(api.secondFactor, "second factor");
  const { error, act } = useActs(state.reload);
  const [begun, setBegun] = useState<Begun | null>(null);
  const [recovery, setRecovery] = useState<string[] | null>(null);
  const [isLeaving, setLeaving] = useState(false);
  const switchOn = async (code: string) => {
    const isOn = await act(api.switchOnSecondFactor(code).then(setRecovery));
    if (isOn) setBegun(null);
  };
  const switchOff = async (code: string) => {
    if (!(await act(api.switchOffSecondFactor(code)))) return;
    setLeaving(false);
    setRecovery(null);
  };
  const { value } = state;
  return (
    <section class="panel stack" aria-label="Second factor">
      <h2>Second factor</h2>
      <Waiting of={state} what="the second factor" />
      {value?.is_on && (
        <p>
          On: each sign-in asks for a code of your app. {value.recovery_left} recovery codes are
          left.
        </p>
      )}
      {recovery && (
        <div class="notice stack tight" role="status">
          <p>
            Keep these recovery codes where your phone is not: each lets you in once. They are not
            shown again.
          </p>
          <code class="secret">{recovery.join("  ")}</code>
        </div>
      )}
      {value && !value.is_on && !begun && (
        <div class="row apart">
          <p class="dim">With an app for one-time codes a password alone lets nobody in.</p>
          <button type="button" onClick={() => void act(api.beginSecondFactor().then(setBegun))}>
            Set up…
          </button>
        </div>
      )}
      {begun && (
        <div class="row">
          <img src={begun.picture} alt="The secret as a QR code" width={180} height={180} />
          <div class="stack tight grow">
            <p>
              Scan this with your app, or type the secret into it. Then give a code that it shows.
            </p>
            <code class="secret">{begun.secret}</code>
            <CodeForm
              words="Switch on"
              onCode={(code) => void switchOn(code)}
              onLeave={() => setBegun(null)}
            />
          </div>
        </div>
      )}
      {value?.is_on && !isLeaving && (
        <div>
          <button type="button" class="quiet" onClick={() => setLeaving(true)}>
            Switch off…
          </button>
        </div>
      )}
      {value?.is_on && isLeaving && (
        <CodeForm
          words="Switch off"
          onCode={(code) => void switchOff(code)}
          onLeave={() => setLeaving(false)}
        />
      )}
      <Failure words={error} />
    </section>
  );
}

function CodeForm(props: {
  words: string;
  onCode: (code: string) => void;
  onLeave: () => void;
}): JSX.Element {
  const [code, setCode] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    props.onCode(code.trim());
  };
  return (
    <form class="row" onSubmit={submit}>
      <input
        class="short"
        aria-label="Code"
        placeholder="Code"
        autocomplete="one-time-code"
        value={code}
        maxLength={20}
        onInput={(event) => setCode(event.currentTarget.value)}
      />
      <button type="submit" class="primary" disabled={!code.trim()}>
        {props.words}
      </button>
      <button type="button" class="quiet" onClick={props.onLeave}>
        Cancel
      </button>
    </form>
  );
}
