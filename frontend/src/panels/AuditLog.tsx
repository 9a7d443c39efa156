import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, wordsFor } from "@/panels/Page";
import { type AuditEntry, api } from "@/sync/api";

const AT_ONCE = 200; // as many as the server tells at once

/** Who did what in the project, when: for managers, on demand. */
export function AuditLog({ project }: { project: number }): JSX.Element {
  const [entries, setEntries] = useState<AuditEntry[] | null>(null);
  const [isAll, setAll] = useState(false);
  const [error, setError] = useState("");
  const more = async () => {
    setError("");
    try {
      const found = await api.audit(project, entries?.at(-1)?.id);
      setEntries([...(entries ?? []), ...found]);
      setAll(found.length < AT_ONCE);
    } catch (failure) {
      setError(wordsFor(failure));
    }
  };
  return (
    <details
      onToggle={(event) => {
        if (event.currentTarget.open && entries === null) void more();
      }}
    >
      <summary>Audit log</summary>
      <Failure words={error} />
      {entries?.length === 0 && <p class="dim">Nothing was done yet.</p>}
      {entries && entries.length > 0 && (
        <table aria-label="Audit log">
          <tbody>
            {entries.map(({ id, at, by, act, about }) => (
              <tr key={id}>
                <td class="dim">{new Date(at).toLocaleString()}</td>
                <td>{by ?? "the command line"}</td>
                <td>{act.replace(".", " ").replaceAll("_", " ")}</td>
                <td>{about}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {entries !== null && !isAll && !error && (
        <button type="button" onClick={more}>
          Earlier
        </button>
      )}
    </details>
  );
}
