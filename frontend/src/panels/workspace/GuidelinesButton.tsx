import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Prose } from "@/panels/Guidelines";
import { api } from "@/sync/api";

/** Opens the project's guidelines over the work; nothing where there are none. */
export function GuidelinesButton({ project }: { project: number }): JSX.Element | null {
  const [html, setHtml] = useState("");
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    let isCurrent = true;
    api
      .projectDetail(project)
      .then(({ guidelines_html }) => isCurrent && setHtml(guidelines_html))
      .catch(() => undefined); // the work goes on without
    return () => {
      isCurrent = false;
    };
  }, [project]);
  if (!html.trim()) return null;
  return (
    <>
      <button type="button" class="quiet" onClick={() => dialog.current?.showModal()}>
        Guidelines
      </button>
      <dialog ref={dialog} class="guidelines" aria-label="Guidelines">
        <form method="dialog" class="row apart">
          <h2>Guidelines</h2>
          <button type="submit">Close</button>
        </form>
        <Prose html={html} />
      </dialog>
    </>
  );
}
