// Two views: all files at /, one of them at /view/NAME. The server answers both paths with the same page.
const view = document.querySelector("#view");
const uploads = document.querySelector("#uploads");

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function all() {
  const answer = await fetch("/api/files");
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// By XMLHttpRequest, since fetch does not tell how far an upload is.
function send(file) {
  const progress = element("progress", { max: 1, value: 0 });
  const outcome = element("output", { value: "0 %" });
  const row = element("p", {}, `${file.name} `, progress, " ", outcome);
  uploads.append(row);
  const fail = (why) => {
    row.className = "failed";
    outcome.value = why;
  };
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => {
      progress.value = total > 0 ? loaded / total : 1;
      outcome.value = `${Math.floor(100 * progress.value)} %`;
    };
    // What is refused before it is whole is answered all the same.
    request.onload = () => { if (request.status >= 400) fail(request.responseText); };
    request.onerror = () => fail("the upload broke off");
    request.onloadend = done;
    request.open("PUT", `/api/files/${encodeURIComponent(file.name)}`);
    request.send(file);
  });
}

async function upload(files) {
  uploads.replaceChildren();
  for (const file of files) await send(file);
  show();
}

async function showAll() {
  const input = element("input", { type: "file", multiple: true, onchange: () => upload(input.files) });
  const rows = (await all()).map(([name, bytes]) => {
    const link = element("a", { href: `/view/${encodeURIComponent(name)}` }, name);
    return element("tr", {}, element("td", {}, link), element("td", {}, `${bytes} bytes`));
  });
  view.replaceChildren(element("p", {}, input), element("table", {}, ...rows));
}

async function showOne(name) {
  const [, bytes] = (await all()).find(([known]) => known === name) ?? [];
  if (bytes === undefined) return view.replaceChildren(`There is no ${name}.`);
  const path = encodeURIComponent(name);
  const remove = async () => {
    await fetch(`/api/files/${path}`, { method: "DELETE" });
    location.assign("/");
  };
  view.replaceChildren(
    element("p", {}, `${name}, ${bytes} bytes`),
    element("p", {}, element("a", { href: `/files/${path}` }, "Download")),
    element("button", { onclick: remove }, "Delete"),
  );
}

function show() {
  const [, name] = location.pathname.match(/^\/view\/(.+)$/) ?? [];
  (name ? showOne(decodeURIComponent(name)) : showAll()).catch((error) => view.replaceChildren(String(error)));
}

show();
