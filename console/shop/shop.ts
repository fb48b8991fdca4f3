import "@fontsource-variable/onest";
import "./shop.css";

type Bike = {
  name: [ru: string, en: string];
  about: [ru: string, en: string];
  price: number;
  frame: string;
  ground: string;
  step?: boolean;
};

const BIKES: Bike[] = [
  {
    name: ["Бульвар", "Boulevard"],
    about: ["Городской, 7 передач, корзина в подарок", "City, 7 gears, a basket as a present"],
    ...{ price: 46_900, frame: "#d8452e", ground: "#f6c9bb", step: true },
  },
  {
    name: ["Просёлок", "Byway"],
    about: ["Гравийный, карбоновая вилка, 9,8 кг", "Gravel, carbon fork, 9.8 kg"],
    ...{ price: 128_000, frame: "#1d5c4b", ground: "#bfdccb" },
  },
  {
    name: ["Курьер", "Courier"],
    about: ["Одна передача и ремень вместо цепи", "One gear, and a belt instead of a chain"],
    ...{ price: 59_500, frame: "#1f2d3d", ground: "#f2cf6b" },
  },
  {
    name: ["Набережная", "Embankment"],
    about: ["Лёгкая рама для ровного асфальта", "A light frame for even tarmac"],
    ...{ price: 74_300, frame: "#2f6db5", ground: "#c5dcf1" },
  },
  {
    name: ["Дача", "Dacha"],
    about: ["Широкие шины, багажник, крылья", "Wide tyres, rack and mudguards"],
    ...{ price: 38_400, frame: "#7a4a86", ground: "#e2d0e6", step: true },
  },
  {
    name: ["Снегирь", "Bullfinch"],
    about: ["Детский, от 6 до 9 лет", "For children from 6 to 9"],
    ...{ price: 24_900, frame: "#c23b55", ground: "#cfe3d9" },
  },
];

const english = document.documentElement.lang === "en";
const rouble = new Intl.NumberFormat(english ? "en" : "ru", {
  style: "currency",
  currency: "RUB",
  maximumFractionDigits: 0,
});

/** Wheels with spokes, a frame of tubes: enough to be a bicycle. */
function wheel(x: number, y: number, r: number): string {
  let spokes = "";
  for (let i = 0; i < 12; i += 1) {
    const a = (i * Math.PI) / 6 + 0.2;
    spokes += `M${x} ${y}L${(x + Math.cos(a) * r).toFixed(1)} ${(y + Math.sin(a) * r).toFixed(1)}`;
  }
  return `<circle cx="${x}" cy="${y}" r="${r}" stroke="#1c2321" stroke-width="6"/><path d="${spokes}" stroke="#1c232166" stroke-width="1.2"/><circle cx="${x}" cy="${y}" r="5" fill="#1c2321"/>`;
}

function bicycle(frame: string, step = false): string {
  const top = step ? "M118 78 Q142 112 196 62" : "M112 66 L200 62";
  return `<g fill="none" stroke-linecap="round" stroke-linejoin="round">${wheel(70, 130, 46)}${wheel(232, 130, 46)}
    <g stroke="${frame}" stroke-width="7"><path d="M70 130 L136 130 L112 60"/><path d="M70 130 L114 72"/><path d="M136 130 L203 72"/><path d="${top}"/><path d="M200 50 L232 130"/></g>
    <g stroke="#1c2321" stroke-width="6"><path d="M112 60 L108 46"/><path d="M92 44 L124 42"/><path d="M200 50 L197 36 L216 30 M197 36 L186 34"/></g>
    <circle cx="136" cy="130" r="12" stroke="#1c2321" stroke-width="4"/><path d="M136 130 L148 148 M141 149 L156 147" stroke="#1c2321" stroke-width="4"/></g>`;
}

function tandem(): string {
  const frame = "#d8452e";
  return `<g fill="none" stroke-linecap="round" stroke-linejoin="round">${wheel(120, 210, 76)}${wheel(520, 210, 76)}
    <g stroke="${frame}" stroke-width="10"><path d="M120 210 L232 210 L382 210 L472 98"/><path d="M120 210 L196 108 L232 210"/><path d="M196 108 L466 92"/><path d="M346 100 L382 210"/><path d="M232 210 L346 116"/><path d="M464 72 L520 210"/></g>
    <g stroke="#1c2321" stroke-width="9"><path d="M196 108 L188 78"/><path d="M162 76 L216 72"/><path d="M346 100 L338 70"/><path d="M312 68 L366 64"/><path d="M464 72 L458 46 L492 34"/><path d="M330 96 L352 52 L384 50" stroke-width="7"/></g>
    <circle cx="232" cy="210" r="19" stroke="#1c2321" stroke-width="6"/><circle cx="382" cy="210" r="19" stroke="#1c2321" stroke-width="6"/>
    <path d="M232 191 H382 M232 229 H382" stroke="#1c2321" stroke-width="3" stroke-dasharray="5 4"/>
    <path d="M232 210 L250 240 M240 242 L264 238 M382 210 L364 180 M354 182 L376 178" stroke="#1c2321" stroke-width="6"/></g>`;
}

function draw(svg: Element | null, markup: string): void {
  // Our own constant drawing, nothing from outside.
  if (svg) svg.innerHTML = markup;
}

draw(document.querySelector("#tandem"), tandem());

const list = document.querySelector("#list");
for (const bike of BIKES) {
  const card = document.createElement("article");
  const picture = document.createElement("div");
  picture.className = "picture";
  picture.style.background = bike.ground;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "10 20 282 165");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", bike.name[english ? 1 : 0]);
  draw(svg, bicycle(bike.frame, bike.step));
  picture.append(svg);
  const name = document.createElement("h3");
  name.textContent = bike.name[english ? 1 : 0];
  const price = document.createElement("b");
  price.textContent = rouble.format(bike.price);
  const about = document.createElement("p");
  about.textContent = bike.about[english ? 1 : 0];
  card.append(picture, name, price, about);
  list?.append(card);
}

if (english) {
  document.title = "Spitsa · bicycles and workshop";
  for (const element of document.querySelectorAll<HTMLElement>("[data-en]"))
    element.textContent = element.dataset.en ?? "";
}
const toggle = document.querySelector<HTMLButtonElement>("#lang");
if (toggle) {
  toggle.textContent = english ? "Русский" : "English";
  toggle.lang = english ? "ru" : "en";
  toggle.addEventListener("click", () => {
    localStorage.setItem("shop.lang", english ? "ru" : "en");
    location.assign(location.pathname);
  });
}
