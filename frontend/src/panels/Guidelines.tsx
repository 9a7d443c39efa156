import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { api, mayManage, type Project } from "@/sync/api";

/** How things are labelled here, in the managers' words. */
export function Guidelines({ project }: { project: Project }): JSX.Element {
  const detail = useLoaded(() => api.projectDetail(project.id), project.id);
  const [draft, setDraft] = useState<string | null>(null);
  const [error, setError] = useState("");
  const save = async (event: Event) => {
    event.preventDefault();
    setError("");
    try {
      await api.configure(project.id, { guidelines: draft ?? "" });
      setDraft(null);
      detail.reload();
    } catch (failure) {
      setError(wordsFor(failure));
    }
  };
  if (draft !== null) {
    return (
      <form class="stack" aria-label="Guidelines" onSubmit={save}>
        <textarea
          rows={22}
          aria-label="Guidelines, in Markdown"
          placeholder={"# Cars\n\n- Label wheels and mirrors with the car."}
          value={draft}
          onInput={(event) => setDraft(event.currentTarget.value)}
        />
        <Failure words={error} />
        <div class="row">
          <button type="submit" class="primary">
            Save
          </button>
          <button type="button" class="quiet" onClick={() => setDraft(null)}>
            Cancel
          </button>
          <span class="dim">Markdown, with tables. HTML in it is shown as text.</span>
        </div>
      </form>
    );
  }
  return (
    <section aria-label="Guidelines" class="stack">
      <Waiting of={detail} what="the guidelines" />
      {detail.value && (
        <>
          {mayManage(project.role) && (
            <p>
              <button type="button" onClick={() => setDraft(detail.value?.guidelines ?? "")}>
                {detail.value.guidelines ? "Edit" : "Write guidelines"}
              </button>
            </p>
          )}
          {detail.value.guidelines ? (
            <Prose html={detail.value.guidelines_html} />
          ) : (
            <div class="empty">
              <h2>No guidelines yet</h2>
              <p>What managers write here is beside the work of everybody who labels.</p>
            </div>
          )}
        </>
      )}
    </section>
  );
}

/** What the server made of Markdown: no script can come of it (backend/projects/guidelines.py). */
export const Prose = ({ html }: { html: string }): JSX.Element => (
  <div class="prose" dangerouslySetInnerHTML={{ __html: html }} />
);
