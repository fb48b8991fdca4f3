// Before anything is drawn: the language of the page, which the widget follows.
(() => {
  const wanted = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("shop.lang");
  document.documentElement.lang = wanted === "en" ? "en" : "ru";
})();
