import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "./icons";
import { KEY_GROUPS } from "./keys";

export function KeyOverlay({ onClose }: { onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "?" && event.key !== "F1") return;
    event.preventDefault();
    dialog.current?.close();
  };
  return (
    <dialog class="keys" ref={dialog} aria-label="Keys" onClose={onClose} onKeyDown={onKeyDown}>
      <header>
        <h2>Keys and mouse</h2>
        <IconButton icon="close" label="Close" onClick={() => dialog.current?.close()} />
      </header>
      <div class="key-groups">
        {KEY_GROUPS.map(({ title, bindings }) => (
          <section key={title}>
            <h3 class="key-title">{title}</h3>
            <dl>
              {bindings.map(({ keys, meaning }) => (
                <div key={keys}>
                  <dt>
                    {keys.split("  ").map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
