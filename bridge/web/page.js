(()=>{"use strict";
const body=document.body,root=document.documentElement,lost=document.getElementById("lost");
root.classList.add("js");
const clocks=e=>{for(const t of e.querySelectorAll("time.clock")){const d=new Date(t.dateTime);if(isNaN(d))continue;
const far=Math.abs(Date.now()-d)>72e6;t.textContent=d.toLocaleString(root.lang,far?{dateStyle:"medium",timeStyle:"short",hourCycle:"h23"}:{timeStyle:"short",hourCycle:"h23"})}};
clocks(document);
const typing=e=>e.contains(document.activeElement)&&document.activeElement.matches("input,select,textarea");
const put=parts=>{for(const id in parts){const old=document.getElementById(id);
if(!old){location.reload();return}
if(typing(old))continue;
const focus=old.contains(document.activeElement)&&document.activeElement.id,t=document.createElement("template");
t.innerHTML=parts[id];clocks(t.content);old.replaceWith(t.content);
if(focus){const e=document.getElementById(focus);if(e)e.focus()}}
filter()};
let source;
const open=()=>{if(source||!body.dataset.stream)return;source=new EventSource(body.dataset.stream);
source.onopen=()=>lost.classList.add("hidden");source.onerror=()=>lost.classList.remove("hidden");
source.onmessage=m=>put(JSON.parse(m.data))};
const close=()=>{if(source){source.close();source=null}};
document.addEventListener("visibilitychange",()=>document.hidden?close():open());
addEventListener("pagehide",close);addEventListener("pageshow",open);
if(!document.hidden)open();
const box=document.querySelector("input[data-filter]");
const filter=()=>{if(!box)return;const words=box.value.toLowerCase().split(/\s+/);
for(const e of document.querySelectorAll("[data-text]"))e.classList.toggle("hidden",!words.every(w=>e.dataset.text.includes(w)))};
if(box){box.addEventListener("input",filter);filter()}
document.addEventListener("click",e=>{const b=e.target.closest("button[data-copy]");if(!b)return;e.preventDefault();
const text=b.dataset.copy,done=()=>{const old=b.textContent;b.textContent="✓";setTimeout(()=>{b.textContent=old},1200)};
const byHand=()=>{const a=document.createElement("textarea");a.value=text;body.append(a);a.select();if(document.execCommand("copy"))done();a.remove()};
if(navigator.clipboard)navigator.clipboard.writeText(text).then(done,byHand);else byHand()});
})();
