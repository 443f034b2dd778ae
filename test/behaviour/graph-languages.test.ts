import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SearchWorld, startSearchWorld } from '../support/graph-search.ts';

/*
 * One hundred queries over one small memory, written before the search: what each must find, and what it must not. The
 * corpus names its entities by short codes, so that a query meets the text of an observation and not a name.
 */

const base64 = Array.from({ length: 3000 }, (_, i) => 'QxZ7kP+v/2'[(i * 7 + (i >> 3)) % 10]).join('');

const corpus: Readonly<Record<string, string>> = {
  // Chinese
  zh1: '中国数据库的迁移计划在周三晚上执行',
  zh2: '重跑gen-itgc后50条悬空引用清零',
  zh3: '用户登录失败：密码错误次数过多',
  zh4: '資料庫連線逾時，請稍後再試',
  zh5: '上海办公室的咖啡机坏了',
  zh6: '请把API密钥放到保险箱里，不要发到群里',
  zh7: '登录页面需要新的设计，用户体验不好',
  zh8: '北京大学附近的餐厅',
  // Japanese
  ja1: 'データベースの移行は金曜日に行います',
  ja2: '東京都庁の会議室を予約した',
  ja3: 'ｶﾀｶﾅの半角文字とＡＢＣの全角文字',
  ja4: 'パスワードを忘れた場合はリセットしてください',
  ja5: 'ハハは毎朝コーヒーを飲む',
  ja6: 'パパは紅茶が好きです',
  ja7: 'サーバーが応答しません。再起動してください。',
  ja8: '京都の抹茶は人気がある',
  // Korean
  ko1: '데이터베이스를 서울 리전으로 옮겼습니다',
  ko2: '비밀번호가 만료되어 로그인할 수 없습니다',
  ko3: '회의는 월요일 오전에 서울에서 열린다',
  ko4: '커피를 마시면서 코드를 검토했다',
  // Arabic, Persian and Hebrew
  ar1: 'تم نقل قاعدة البيانات إلى الخادم الجديد',
  ar2: 'كَتَبَ المُهَنْدِسُ التَّقْرِيرَ',
  ar3: 'أحمد يعمل في مكتبة المدينة',
  ar4: 'مستشفى الملك فيصل',
  fa1: 'او می‌خواهد به تهران برود',
  he1: 'הַמַּפְתֵּחַ נשמר בכספת',
  // Russian and Greek
  ru1: 'База данных перенесена на новый сервер',
  ru2: 'Ещё один отчёт о проверке ключей',
  ru3: 'Не удалось подключиться к очереди сообщений',
  ru4: 'Всё готово, ждём подтверждения от бухгалтерии',
  el1: 'Ο ΟΔΥΣΣΕΥΣ γύρισε στην Ιθάκη',
  // German
  de1: 'Der Versicherungsvertrag liegt bei der Donaudampfschifffahrtsgesellschaft',
  de2: 'Die Rechtsschutzversicherung zahlt nicht',
  de3: 'Straße und Hausnummer fehlen in der Kundenadresse',
  de4: 'Größenänderung: die Maße stehen im Datenblatt',
  de5: 'MASSEINHEITEN bitte immer angeben',
  de6: 'Frau Müller übernimmt die Schlüsselübergabe',
  // French and other Latin letters
  fr1: 'Le café de l’été a été fermé à Noël',
  fr2: 'Une œuvre d’art volée au musée',
  fr3: 'La clé privée ne doit jamais être copiée',
  tr1: 'İSTANBUL ofisi ve ISPARTA deposu',
  pl1: 'Łódź i Kraków mają nowe biura',
  es1: 'El niño rompió la contraseña en Año Nuevo',
  vi1: 'Tiếng Việt có nhiều dấu thanh',
  // Thai and Hindi
  th1: 'ฐานข้อมูลอยู่ที่กรุงเทพมหานคร',
  hi1: 'हिन्दी में डेटाबेस का बैकअप',
  // Code, paths, errors and part numbers
  code1: 'getUserById throws when user_profile_cache is cold',
  code2: 'Rename parseHTTPResponse to parse_http_response in net/http_client.rs',
  code3: 'use std::collections::HashMap; let m: HashMap<String, Vec<u8>> = HashMap::new();',
  code4: 'C++ builds with -Wno-error; the C# client uses async/await',
  code5: 'SELECT * FROM orders WHERE total >= 100 AND status != "paid"',
  code6: 'gqa_attention is faster than flash attention',
  code7: 'gqaattention was the old spelling',
  code8: 'Go is used for the agent, R for statistics',
  code9: 'google cloud and argo run the workflows',
  path1: 'curl -fsSL https://x.io/install.sh | bash; /srv/config.prod.yaml DS-7604NI-E1 order-1234',
  path2: 'C:\\Users\\Ada\\AppData\\Local\\keyhold\\settings.json was lost',
  path3: '~/.ssh/id_ed25519 must have mode 0600',
  path4: 'node_modules/@types/node/index.d.ts(42,7)',
  err1: "TypeError: Cannot read properties of undefined (reading 'map')",
  err2: 'ERROR: duplicate key value violates unique constraint "users_email_key" (SQLSTATE 23505)',
  err3: 'ECONNREFUSED 127.0.0.1:5432 while connecting to postgres',
  err4: 'Segmentation fault (core dumped) in libssl.so.3 at 0x7ffd5e8c',
  err5: 'HTTP 503 Service Unavailable from https://api.example.com/v2/orders?id=77&full=1',
  part1: 'Replace DS-7604NI-E1 by DS-7608NI-K2 in rack 14',
  part2: 'Invoice SR-2023-052 was paid',
  part3: 'Invoice SR-2023-053 is open',
  part4: 'Part № 5 weighs ½ kg, about 20 °C',
  sign1: '100% sure that the discount is 5 %',
  sign2: 'the table a_b has an underscore',
  sign3: 'the table axb has none',
  sign4: 'What\'s your policy? "open" (for now)',
  sign5: 'team:foo & bar | baz !important',
  sign6: 'Ada <ada@x.org> wrote to Ben',
  sign7: 'Launch day 🚀 was great 👩‍💻',
  mix1: 'Café, ＡＰＩ',
  long1: `alpha ${base64} omega`,
  long2: 'only ordinary words here',
};

/** A query, what it must find, and what it must not. */
type Case = readonly [query: string, finds: string, misses: string];

const chinese: readonly Case[] = [
  ['数据库', 'zh1', 'zh3 zh4'],
  ['悬空', 'zh2', 'zh1'],
  ['itgc', 'zh2', 'zh1'],
  ['引用清零', 'zh2', 'zh1'],
  ['零', 'zh2', 'zh1 zh3'],
  ['用户 登录', 'zh3 zh7', 'zh5'],
  ['登录失败', 'zh3', 'zh7'],
  ['資料庫', 'zh4', 'zh1'],
  ['api 密钥', 'zh6', 'mix1 zh3'],
  ['密钥', 'zh6', 'zh3'],
  ['大学', 'zh8', 'zh5'],
  ['学大', '', 'zh8'],
  ['50条', 'zh2', 'zh1'],
];

const japanese: readonly Case[] = [
  ['データベース', 'ja1', 'ja7'],
  ['東京', 'ja2', 'ja8'],
  ['京都', 'ja8 ja2', 'ja1'],
  ['カタカナ', 'ja3', 'ja4'],
  ['abc', 'ja3', 'mix1'],
  ['ハハ', 'ja5', 'ja6'],
  ['パパ', 'ja6', 'ja5'],
  ['ﾊﾟｽﾜｰﾄﾞ', 'ja4', 'ja5 ja7'],
  ['再起動', 'ja7', 'ja4'],
  ['茶', 'ja6 ja8', 'ja5'],
  ['サーバー 応答', 'ja7', 'ja4'],
  ['コーヒ', 'ja5', 'ko4'],
];

const korean: readonly Case[] = [
  ['데이터베이스', 'ko1', 'ko2'],
  ['서울', 'ko1 ko3', 'ko2'],
  ['로그인', 'ko2', 'ko1'],
  ['서울 회의', 'ko3', 'ko1'],
  ['커피', 'ko4', 'ja5'],
  ['비밀번호'.normalize('NFD'), 'ko2', 'ko1'],
];

const semitic: readonly Case[] = [
  ['قاعدة البيانات', 'ar1', 'ar2'],
  ['قاعده', 'ar1', 'ar3'],
  ['المهندس', 'ar2', 'ar1'],
  ['التقرير', 'ar2', 'ar3'],
  ['احمد', 'ar3', 'ar4'],
  ['مستشفي', 'ar4', 'ar3'],
  ['الـــملك', 'ar4', 'ar1'],
  ['میخواهد', 'fa1', 'ar3'],
  ['מפתח', 'he1', 'ar1'],
];

const cyrillicAndGreek: readonly Case[] = [
  ['база данных', 'ru1', 'ru2'],
  ['БАЗА', 'ru1', 'ru3'],
  ['еще', 'ru2', 'ru3'],
  ['отчет', 'ru2', 'ru1'],
  ['бухгалтер', 'ru4', 'ru2'],
  ['на', 'ru1', 'ru3 ru2'],
  ['οδυσσευς', 'el1', 'ru1'],
  ['ιθακη', 'el1', 'ru1'],
];

const german: readonly Case[] = [
  ['vertrag', 'de1', 'de2'],
  ['versicherung', 'de1 de2', 'de3'],
  ['schifffahrt', 'de1', 'de2'],
  ['Rechtsschutz', 'de2', 'de1'],
  ['strasse', 'de3', 'de2'],
  ['STRAẞE', 'de3', 'de2'],
  ['maße', 'de4 de5', 'de6'],
  ['größenänderung', 'de4', 'de5'],
  ['muller', 'de6', 'de5'],
  ['schlüssel', 'de6', 'de2'],
];

const latin: readonly Case[] = [
  ['cafe', 'fr1 mix1', 'ko4'],
  ['Café'.normalize('NFD'), 'fr1 mix1', 'fr2'],
  ["l'été", 'fr1', 'fr3'],
  ['noel', 'fr1', 'fr2'],
  ['oeuvre', 'fr2', 'fr1'],
  ['clé privée', 'fr3', 'fr2'],
  ['istanbul', 'tr1', 'pl1'],
  ['ısparta', 'tr1', 'pl1'],
  ['lodz', 'pl1', 'tr1'],
  ['nino', 'es1', 'fr1'],
  ['tieng viet', 'vi1', 'es1'],
];

const others: readonly Case[] = [
  ['กรุงเทพ', 'th1', 'hi1'],
  ['डेटाबेस', 'hi1', 'th1'],
];

const code: readonly Case[] = [
  ['UserBy', 'code1', 'code2'],
  ['getuserbyid', 'code1', 'code2'],
  ['profile_cache', 'code1', 'code2'],
  ['parse_http', 'code2', 'code1'],
  ['HashMap::new()', 'code3', 'code2'],
  ['C++', 'code4', 'code8 path2'],
  ['c#', 'code4', 'code8'],
  ['gqa_attention', 'code6', 'code7'],
  ['go', 'code8', 'code9'],
  ['>= 100', 'code5', 'sign1'],
];

const pathsAndErrors: readonly Case[] = [
  ['install.sh | bash', 'path1', 'path2'],
  ['config', 'path1', 'path2'],
  ['AppData\\Local', 'path2', 'path1'],
  ['id_ed25519', 'path3', 'path4'],
  ['@types/node', 'path4', 'path3'],
  ['properties of undefined', 'err1', 'err2'],
  ['users_email_key', 'err2', 'err1'],
  ['127.0.0.1:5432', 'err3', 'err2'],
  ['orders?id=77', 'err5', 'code5'],
];

const parts: readonly Case[] = [
  ['DS-7604', 'path1 part1', 'part2'],
  ['1234', 'path1', 'part1'],
  ['SR-2023-052', 'part2', 'part3'],
];

const signs: readonly Case[] = [
  ['%', 'sign1', 'sign2 sign3'],
  ['_', 'sign2 code6', 'sign3 code7'],
  ['\\', 'path2', 'path1'],
  ['a_b', 'sign2', 'sign3'],
  ["What's your policy?", 'sign4', 'sign5'],
  ['Ada <ada@x.org>', 'sign6', 'path2'],
  ['🚀', 'sign7', 'sign6'],
];

const cases: readonly Case[] = [
  ...[chinese, japanese, korean, semitic, cyrillicAndGreek, german, latin, others].flat(),
  ...[code, pathsAndErrors, parts, signs].flat(),
];

const listed = (names: string): string[] => names.split(' ').filter((name) => name !== '');

let world: SearchWorld;
beforeAll(async () => {
  world = await startSearchWorld();
  await world.remember(Object.entries(corpus).map(([name, text]) => ({ name, observations: [text] })));
});
afterAll(() => world.close());

/** What a query should have found and did not, and what it found and should not have. */
const faultsOf = async ([query, finds, misses]: Case): Promise<string[]> => {
  const found = await world.namesFound(query);
  return [
    ...listed(finds).flatMap((name) => (found.includes(name) ? [] : [`"${query}" does not find ${name}`])),
    ...listed(misses).flatMap((name) => (found.includes(name) ? [`"${query}" finds ${name}`] : [])),
  ];
};

describe('a search in many languages', () => {
  it('at least 95 of 100 queries find all that they must and nothing that they must not', async () => {
    expect(cases).toHaveLength(100);
    const faults: string[][] = [];
    for (const one of cases) faults.push(await faultsOf(one));
    const failed = faults.filter((list) => list.length > 0);
    expect(failed.length <= 5 ? [] : failed).toEqual([]);
  });

  it('each code of the corpus that a query names is in the corpus', () => {
    const named = cases.flatMap(([, finds, misses]) => [...listed(finds), ...listed(misses)]);
    expect(named.filter((name) => corpus[name] === undefined)).toEqual([]);
  });

  it('the words around 3,000 characters of base64 are found', async () => {
    expect(await world.namesFound('alpha')).toEqual(['long1']);
    expect(await world.namesFound('omega')).toEqual(['long1']);
    expect(await world.namesFound('ordinary')).toEqual(['long2']);
  });
});
