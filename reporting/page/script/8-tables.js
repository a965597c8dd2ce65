// Tables are sorted by the buttons in their heads: numbers by value, other texts as people would, and what is no number last.

const collator = new Intl.Collator("en", { numeric: true });

// numberIn is the number that a cell begins with, or NaN: "1,234~" is one, "n/a" and "c10" are none.
function numberIn(text) {
  const found = /^[-+\u2212]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?/i.exec(text);
  return found ? Number(found[0].replaceAll(",", "").replace("\u2212", "-")) : NaN;
}

// textIn is the text of a cell without its mark and its interval.
function textIn(cell) {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll(".said, .detail").forEach((node) => node.remove());
  return copy.textContent.trim();
}

function sortRows(table, column, down) {
  const body = table.tBodies[0];
  const isText = table.tHead.rows[0].cells[column].classList.contains("text");
  const rows = [...body.rows].map((row) => {
    const text = textIn(row.cells[column]);
    return { row, text, number: numberIn(text) };
  });
  const last = (r) => (isText ? r.text === "" : Number.isNaN(r.number));
  rows.sort((a, b) => {
    if (last(a) || last(b)) return last(a) - last(b);
    const order = isText ? collator.compare(a.text, b.text) : a.number - b.number;
    return down ? -order : order;
  });
  body.append(...rows.map((r) => r.row));
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const sorter = button("");
    sorter.append(...head.childNodes);
    if (!sorter.textContent.trim()) return;
    head.append(sorter);
    sorter.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortRows(table, column, down);
    });
  });
}
