"""First and last names from the languages that are heard around San Francisco Bay."""

# ruff: noqa: RUF001  (letters that look like another are how these names are written)

import unicodedata
from typing import NamedTuple


class Name(NamedTuple):
    """A name as its bearer writes it, and the ASCII letters for an e-mail address."""

    text: str
    ascii: str


class Culture(NamedTuple):
    """Names that go together; `weight` is how common they are."""

    weight: int
    first: tuple[Name, ...]
    last: tuple[Name, ...]


#: Latin letters that Unicode doesn't take apart into a base letter and a mark
_WITHOUT_MARK = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "ð": "d", "þ": "th"})


def ascii_letters(name: str) -> str:
    """The letters a-z of a name in Latin script, lower case: `Nguyễn` gives `nguyen`, `O'Brien` `obrien`."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_WITHOUT_MARK))
    return "".join(letter for letter in plain if "a" <= letter <= "z")


def _names(listed: str) -> tuple[Name, ...]:
    """Reads `Name, Name, …`; one in another script than Latin is followed by `=` and its ASCII letters."""
    names = []
    for entry in listed.split(", "):
        text, _, given = entry.partition("=")
        names.append(Name(text, given or ascii_letters(text)))
    return tuple(names)


def _culture(weight: int, first: str, last: str) -> Culture:
    return Culture(weight, _names(first), _names(last))


#: Names in Latin script: a first name may also come with a last name from another of these.
LATIN = (
    _culture(  # English
        17,
        "Abigail, Amelia, Andrew, Benjamin, Caleb, Charlotte, Chloe, Daniel, Eleanor, Elijah, Emily, Ethan, "
        "Grace, Hannah, Harper, Henry, Jack, James, Jasmine, Joshua, Laura, Lily, Lucas, Megan, Nathan, "
        "Nora, Oliver, Owen, Rachel, Ruby, Samuel, Sarah, Sophia, Thomas, Tyler, Violet, William, Zoe",
        "Adams, Bailey, Barker, Bennett, Brooks, Carter, Clarke, Cooper, Dawson, Ellis, Fletcher, Foster, "
        "Graham, Hayes, Hughes, Jackson, Johnson, Lawson, Marsh, Mitchell, Morgan, Palmer, Parker, Reed, "
        "Robinson, Shaw, Spencer, Taylor, Turner, Walker, Ward, Washington, Webb, Whitfield, Wright, Young",
    ),
    _culture(  # Irish and Scottish
        4,
        "Aoife, Brendan, Callum, Catríona, Ciarán, Eilidh, Fionn, Maeve, Niamh, Órla, Róisín, Rory, Seán, Siobhán",
        "Byrne, Campbell, Doyle, Fitzgerald, Gallagher, Kavanagh, MacLeod, McKenna, Murphy, Ó Briain, "
        "O'Connor, O'Sullivan, Ó Súilleabháin, Stewart",
    ),
    _culture(  # Spanish
        14,
        "Alejandro, Andrés, Ángel, Beatriz, Camila, Catalina, Daniela, Diego, Elena, Esteban, Gabriela, "
        "Guadalupe, Héctor, Inés, Iván, Jesús, Joaquín, José, Julián, Lucía, María José, Martín, Mateo, "
        "Mónica, Paloma, Ramón, Renata, Rocío, Rosa, Sofía, Tomás, Valentina, Verónica, Ximena",
        "Acevedo, Aguilar, Álvarez, Benítez, Castañeda, Chávez, Cordero, de la Cruz, Domínguez, Fernández, "
        "Flores, García, Gómez, González, Gutiérrez, Herrera, Ibáñez, Jiménez, López, Márquez, Muñoz, "
        "Núñez, Ordóñez, Peña, Quiñones, Ramírez, Rivera, Salazar, Sánchez, Vásquez, Villanueva, Zúñiga",
    ),
    _culture(  # Portuguese
        4,
        "Antônio, Bruna, Caio, Conceição, Débora, Fábio, Inês, Joana, João, Letícia, Luís, Márcia, Rafael, "
        "Thaís, Vinícius",
        "Almeida, Araújo, Carvalho, Conceição, Fonseca, Gonçalves, Guimarães, Magalhães, Moraes, Oliveira, "
        "Simões, Teixeira",
    ),
    _culture(  # French
        4,
        "Adèle, Amélie, Baptiste, Benoît, Célia, Cédric, Élodie, François, Gaëlle, Hélène, Jérôme, Noémie, Rémi, Zoé",
        "Beauchêne, Besson, Côté, Delacroix, Desrosiers, Dubois, Fontaine, Gagné, Lefèvre, Lévesque, Mercier, Rousseau",
    ),
    _culture(  # German and Dutch
        4,
        "Annika, Björn, Femke, Friederike, Greta, Günther, Johannes, Jürgen, Käthe, Lukas, Maarten, "
        "Matthias, Sören, Ursula",
        "Bäcker, Brandt, de Vries, Fuchs, Großmann, Hübner, Jäger, Köhler, Lindemann, Schäfer, Schröder, "
        "van den Berg, Voß",
    ),
    _culture(  # Danish, Norwegian, Swedish
        3,
        "Åsa, Astrid, Bjørn, Elin, Frøya, Göran, Håkon, Ingrid, Jørgen, Kåre, Linnéa, Mårten, Solveig, Søren",
        "Ågren, Berglund, Bøe, Dahl, Ekström, Hæstad, Lindqvist, Møller, Nygård, Öberg, Ødegård, Sjöberg, Sørensen",
    ),
    _culture(  # Finnish and Estonian
        2,
        "Aino, Eero, Heikki, Jüri, Kärt, Mäire, Päivi, Tõnu, Väinö",
        "Hämäläinen, Kask, Laine, Mägi, Mäkelä, Nieminen, Pärn, Tamm, Väisänen",
    ),
    _culture(  # Polish
        3,
        "Agnieszka, Bartłomiej, Błażej, Grażyna, Jarosław, Łucja, Łukasz, Małgorzata, Paweł, Wojciech, Zuzanna",
        "Bąk, Cieśla, Dąbek, Gołąb, Kozioł, Król, Mazur, Nowak, Wójcik, Wróbel, Zając",
    ),
    _culture(  # Czech and Slovak
        2,
        "Alžběta, František, Jiří, Kateřina, Lukáš, Markéta, Ondřej, Tereza, Věra, Zdeněk",
        "Bartoš, Dvořák, Hájek, Krejčí, Kučera, Martinů, Němec, Růžička, Šimek, Svoboda",
    ),
    _culture(  # Hungarian and Romanian
        2,
        "Andreea, Béla, Bogdan, Dániel, Eszter, György, Ioana, Katalin, László, Mihai, Ștefan, Zsófia",
        "Bălan, Fehér, Ionescu, Kőszegi, Munteanu, Nagy, Popescu, Szabó, Szűcs, Țurcanu, Vörös",
    ),
    _culture(  # Croatian, Serbian, Slovene
        2,
        "Ana, Anđela, Đorđe, Jelena, Luka, Miloš, Nataša, Nikša, Saša, Vesna, Živko",
        "Babić, Đurić, Horvat, Jovanović, Kovačević, Marković, Petrović, Šarić, Vuković, Žunić",
    ),
    _culture(  # Ukrainian, Armenian, Georgian
        4,
        "Anahit, Andriy, Ani, Daryna, Giorgi, Hayk, Iryna, Ketevan, Lusine, Nino, Oksana, Taras, Tigran, Vasyl",
        "Beridze, Bondarenko, Grigoryan, Hakobyan, Kapanadze, Kravchuk, Lomidze, Melnyk, Petrosyan, "
        "Sargsyan, Tkachenko",
    ),
    _culture(  # Turkish
        3,
        "Ayşe, Çağla, Emre, Gökhan, Gül, İpek, Murat, Oğuz, Özge, Şebnem, Tuğba, Ümit",
        "Acar, Aydın, Çelik, Doğan, Güneş, Kaya, Öztürk, Şahin, Tekin, Yıldız, Yılmaz",
    ),
    _culture(  # Arabic
        4,
        "Amal, Bilal, Dina, Faisal, Farah, Hassan, Khalid, Layla, Mariam, Nadia, Omar, Rania, Samir, Tariq, "
        "Yusuf, Zaynab",
        "Abdallah, al-Amin, Aziz, Darwish, el-Masri, Farouk, Haddad, Hamdan, Khoury, Mansour, Najjar, Rahman, Saleh",
    ),
    _culture(  # Persian and Hebrew
        4,
        "Arash, Avi, Darius, Eitan, Farhad, Laleh, Mehrdad, Neta, Noa, Parisa, Roya, Shirin, Tamar, Yael, Ziv",
        "Ahmadi, Avraham, Ebrahimi, Farahani, Golan, Hosseini, Kazemi, Mizrahi, Moradi, Peretz, Rostami, "
        "Shapira, Tehrani",
    ),
    _culture(  # Indian, from the north
        7,
        "Aarav, Ananya, Arjun, Devika, Gurpreet, Harjit, Ishaan, Kavita, Manpreet, Meera, Neha, Nikhil, "
        "Priya, Rahul, Rohan, Saanvi, Sanjay, Shreya, Simran, Vikram",
        "Agarwal, Bhatia, Chatterjee, Chopra, Desai, Gill, Gupta, Joshi, Kapoor, Kaur, Malhotra, Mehta, "
        "Mukherjee, Patel, Rao, Sandhu, Shah, Sharma, Singh, Verma",
    ),
    _culture(  # Indian, from the south, and Sinhalese
        4,
        "Aishwarya, Anjali, Dilani, Karthik, Lakshmi, Mahesh, Nuwan, Padma, Ramesh, Revathi, Sanduni, Suresh, Venkat",
        "Fernando, Iyer, Krishnan, Menon, Nair, Perera, Pillai, Raghavan, Ramaswamy, Reddy, Subramanian, Wijesinghe",
    ),
    _culture(  # Mandarin
        8,
        "Bowen, Chunhua, Fang, Haoran, Jiayi, Jing, Lei, Lili, Meiling, Ming, Qiang, Ruoxi, Wei, Xiaolong, "
        "Xin, Yan, Yifan, Yuxuan, Zihan",
        "Chen, Deng, Feng, Gao, Guo, He, Huang, Li, Lin, Liu, Luo, Lü, Ma, Sun, Tang, Wang, Wu, Xie, Xu, "
        "Yang, Zhang, Zhao, Zheng, Zhou, Zhu",
    ),
    _culture(  # Cantonese and Hokkien
        6,
        "Alvin, Chi-Wai, Derek, Fiona, Hoi-Ying, Janice, Kelvin, Ka-Man, Mei-Fong, Stanley, Suk-Yee, Vivian, Winnie",
        "Chan, Cheung, Chiu, Fong, Ho, Kwok, Lau, Lee, Leung, Lim, Mak, Ng, Tam, Wong, Yip",
    ),
    _culture(  # Japanese
        4,
        "Aiko, Daichi, Haruka, Jun'ichi, Kenji, Kōhei, Mai, Naoki, Ryō, Sakura, Shōta, Tomoko, Yūko, Yūto",
        "Fujimoto, Gotō, Hayashi, Inoue, Itō, Katō, Kobayashi, Matsuda, Nakamura, Ōno, Satō, Shimizu, "
        "Takahashi, Yamada",
    ),
    _culture(  # Korean
        4,
        "Dong-hyun, Eun-ji, Hana, Hye-jin, Ji-woo, Jun-seo, Min-ji, Sang-woo, Seo-yeon, Soo-bin, Tae-yang, Yoon-ah",
        "Bae, Cho, Choi, Han, Jang, Jung, Kang, Kim, Kwon, Lee, Lim, Oh, Park, Seo, Shin, Yoon",
    ),
    _culture(  # Vietnamese
        7,
        "Ánh, Bảo, Cường, Dũng, Đức, Hạnh, Hiếu, Hương, Khánh, Linh, Mai, Ngọc, Phượng, Quỳnh, Sơn, Thảo, "
        "Thúy, Trang, Tuấn",
        "Bùi, Đặng, Đỗ, Dương, Hồ, Hoàng, Huỳnh, Lê, Lý, Mai, Ngô, Nguyễn, Phạm, Phan, Trần, Trịnh, Võ, Vũ",
    ),
    _culture(  # Filipino
        6,
        "Amihan, Angelica, Benigno, Crisanto, Dalisay, Jericho, Jocelyn, Ligaya, Marisol, Niño, Rodel, Rowena, Tala",
        "Bautista, Batungbakal, Catacutan, Dimaculangan, Dizon, Lacson, Macaraeg, Magsaysay, Mendoza, "
        "Pangilinan, Peñaflor, Reyes, Santos, Villaflor",
    ),
    _culture(  # Thai, Indonesian, Hmong
        3,
        "Agus, Anong, Bayu, Dewi, Kao Nou, Malee, Mai Yer, Niran, Putri, Sri, Somchai, Suda, Tou Ger, Wira",
        "Chaiyasit, Hartono, Kusuma, Moua, Saetang, Santoso, Srisai, Suwan, Vang, Wibowo, Wijaya, Xiong",
    ),
    _culture(  # Yoruba, Igbo, Akan
        4,
        "Abẹ́ní, Adébáyọ̀, Akosua, Chidi, Chinonso, Chukwuemeka, Efua, Folúkẹ́, Ifeoma, Kofi, Kwame, Ngozi, "
        "Olúwaṣeun, Tèmítọ́pẹ́",
        "Achebe, Adébọ̀wálé, Adéyẹmí, Agyeman, Asante, Boateng, Eze, Mensah, Nwosu, Ògúnbánjọ, Okafor, Okonkwo, Owusu",
    ),
    _culture(  # Ethiopian, Eritrean, Somali, Kenyan
        4,
        "Abdi, Abeba, Akinyi, Amina, Dawit, Faduma, Hiwot, Kamau, Makda, Njeri, Otieno, Selam, Tesfaye, Wanjiru, Yonas",
        "Abebe, Bekele, Gebremariam, Haile, Kimani, Mohamud, Mwangi, Ochieng, Odhiambo, Tekle, Warsame, Woldu",
    ),
    _culture(  # Hawaiian, Samoan, Tongan
        2,
        "Ānela, Fetū, Kaʻiulani, Kalā, Keoni, Leilani, Māhina, Nōhea, Sina, Sione, Tāne",
        "Faʻaleaga, Kahananui, Kealoha, Leota, Māhoe, Pōhaku, Taufaʻāsau, Tuiasosopo, Vaʻa",
    ),
)

#: Names in other scripts: never mixed.
OTHER_SCRIPTS = (
    _culture(  # Chinese
        2,
        "美玲=meiling, 浩然=haoran, 雨桐=yutong, 志强=zhiqiang, 子涵=zihan, 建国=jianguo",
        "王=wang, 陈=chen, 林=lin, 黄=huang, 赵=zhao, 周=zhou",
    ),
    _culture(  # Japanese
        1,
        "美咲=misaki, 健太=kenta, 陽子=yoko, さくら=sakura, 大輔=daisuke",
        "佐藤=sato, 高橋=takahashi, 中村=nakamura, 山口=yamaguchi, 井上=inoue",
    ),
    _culture(  # Korean
        1,
        "민준=minjun, 서연=seoyeon, 지훈=jihoon, 하은=haeun, 수빈=subin",
        "김=kim, 박=park, 최=choi, 정=jung, 윤=yoon",
    ),
    _culture(  # Ukrainian
        1,
        "Олена=olena, Тарас=taras, Соломія=solomiya, Юрій=yuriy, Ганна=hanna",
        "Шевченко=shevchenko, Коваленко=kovalenko, Мельник=melnyk, Кравчук=kravchuk, Гончар=honchar",
    ),
    _culture(  # Greek
        1,
        "Ελένη=eleni, Γιώργος=giorgos, Δήμητρα=dimitra, Νίκος=nikos, Χρήστος=christos",
        "Καραγιάννη=karagianni, Μακρή=makri, Παππά=pappa, Γεωργίου=georgiou, Δημητρίου=dimitriou",
    ),
    _culture(  # Hindi
        1,
        "आरती=aarti, मोहन=mohan, सुनीता=sunita, विजय=vijay",
        "शर्मा=sharma, गुप्ता=gupta, मिश्रा=mishra, पाण्डेय=pandey",
    ),
)
